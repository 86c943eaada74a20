"""`dbswitch doctor`: collects facts as values (`look`), judges them (`judging`), draws them (`text`, `as_json`)."""
