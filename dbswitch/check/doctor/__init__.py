"""`dbswitch doctor`: collects facts, derives findings from them, and reports both as text or JSON."""
