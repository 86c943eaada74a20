/* eslint-disable */
// How the admin page looks: its own names only, light and dark. Written by `dbswitch generate page`, which also brings it
// up to date; do not edit it.

export const style = `
.dbs { --bg:#fff; --card:#fff; --soft:#f5f6f8; --text:#17191f; --quiet:#565d6b; --line:#dde1e7; --strong:#8a92a0;
  --red:#b42318; --red-soft:#fdf0ee; --red-line:#e9b9b3; --green:#1c6b3f; --green-soft:#edf7f0; --green-line:#b6d9c3;
  --amber:#7a4d00; --amber-soft:#fdf5e3; --amber-line:#e5cd98; --blue:#1f57b0; --blue-soft:#eef4fd; --blue-line:#bdd2f2;
  --on-red:#fff; color-scheme:light;
  box-sizing:border-box; min-height:100vh; margin:0; padding:2.5rem max(1.25rem,calc(50vw - 24rem)) 4rem; background:var(--bg); color:var(--text);
  font:15px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif; text-align:left; }
@media (prefers-color-scheme: dark) { .dbs { --bg:#111318; --card:#181b21; --soft:#1d2129; --text:#e9ebef; --quiet:#a3abb9; --line:#2d323c; --strong:#6d7684;
  --red:#ff9287; --red-soft:#2c1816; --red-line:#6a2f29; --green:#7fd3a1; --green-soft:#14241b; --green-line:#2c5540;
  --amber:#efc169; --amber-soft:#271f0f; --amber-line:#5d4a1e; --blue:#93bcff; --blue-soft:#151f30; --blue-line:#2c446b; --on-red:#1a0d0b; color-scheme:dark; } }
body:has(> .dbs), body:has(.dbs) { margin:0; background:#fff; }
@media (prefers-color-scheme: dark) { body:has(.dbs) { background:#111318; } }
.dbs *, .dbs *::before { box-sizing:border-box; }
.dbs h1, .dbs h2, .dbs p, .dbs ul, .dbs ol, .dbs dl, .dbs dd { margin:0; padding:0; }
.dbs h1 { font-size:1.75rem; line-height:1.2; font-weight:650; letter-spacing:-.015em; }
.dbs h2 { font-size:.9375rem; font-weight:600; }
.dbs header { margin-bottom:1.5rem; }
.dbs section, .dbs-message, .dbs-unlock { margin-bottom:1.75rem; }
.dbs-eyebrow { color:var(--quiet); font-size:.8125rem; margin-bottom:.25rem !important; }
.dbs code { font:.9em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace; background:none; padding:0; color:inherit; }
.dbs-quiet { color:var(--quiet); }
.dbs-red { color:var(--red); }
.dbs-hidden { position:absolute; width:1px; height:1px; overflow:hidden; clip-path:inset(50%); white-space:nowrap; }
.dbs-current { border:1px solid var(--line); border-radius:10px; padding:1.1rem 1.35rem 1.2rem; background:var(--card); }
.dbs-current h2 { font-weight:500; color:var(--quiet); font-size:.875rem; }
.dbs-is-open { background:var(--green-soft); border-color:var(--green-line); }
.dbs-is-open .dbs-name { color:var(--green); }
.dbs-is-open h2, .dbs-is-open dt { color:var(--text) !important; }
.dbs-is-unknown { background:var(--amber-soft); border-color:var(--amber-line); }
.dbs-is-protected { background:var(--red-soft); border:2px solid var(--red); padding:calc(1.1rem - 1px) calc(1.35rem - 1px) calc(1.2rem - 1px); }
.dbs-is-protected .dbs-name { color:var(--red); }
.dbs-is-protected h2, .dbs-is-protected dt { color:var(--text) !important; }
.dbs-name { display:flex; flex-wrap:wrap; align-items:center; gap:.25rem .75rem; font-size:2rem; line-height:1.3; font-weight:680; letter-spacing:-.02em; overflow-wrap:anywhere; }
.dbs-current dl { display:flex; flex-wrap:wrap; gap:.5rem 2.25rem; margin-top:.75rem !important; }
.dbs-current dt { color:var(--quiet); font-size:.8125rem; }
.dbs-current p + p { margin-top:.5rem; }
.dbs-badge { display:inline-block; padding:.1rem .55rem; border-radius:999px; border:1px solid; font-size:.75rem; line-height:1.45; font-weight:600; letter-spacing:0; white-space:nowrap; }
.dbs-danger-badge { background:var(--red); border-color:var(--red); color:var(--on-red); }
.dbs-good-badge { background:var(--green-soft); border-color:var(--green-line); color:var(--green); }
.dbs-warn-badge { background:var(--amber-soft); border-color:var(--amber-line); color:var(--amber); }
.dbs-targets { list-style:none; margin:.65rem 0 0 !important; border:1px solid var(--line); border-radius:10px; background:var(--card); overflow:hidden; }
.dbs-targets li { display:flex; flex-wrap:wrap; align-items:center; justify-content:space-between; gap:.5rem 1rem; min-height:3.5rem; padding:.6rem 1rem .6rem 1.15rem; }
.dbs-targets li + li { border-top:1px solid var(--line); }
.dbs-what { display:flex; flex-wrap:wrap; align-items:center; gap:.2rem .65rem; min-width:0; overflow-wrap:anywhere; }
.dbs-what code { color:var(--quiet); }
.dbs button { font:inherit; font-weight:550; font-size:.875rem; padding:.4rem .9rem; border-radius:7px; border:1px solid var(--strong); background:var(--card); color:var(--text); cursor:pointer; }
.dbs button:hover:not(:disabled) { background:var(--soft); }
.dbs button.dbs-danger { border-color:var(--red); color:var(--red); }
.dbs button.dbs-danger:hover:not(:disabled) { background:var(--red-soft); }
.dbs button.dbs-solid, .dbs button.dbs-solid:hover:not(:disabled) { background:var(--red); color:var(--on-red); }
.dbs button:disabled { cursor:not-allowed; opacity:.5; }
.dbs :is(button,input,summary,.dbs-scroll):focus-visible { outline:2px solid var(--blue); outline-offset:2px; }
.dbs-option { display:flex; align-items:center; gap:.5rem; margin-top:.75rem; color:var(--quiet); font-size:.875rem; }
.dbs-option input { width:1rem; height:1rem; margin:0; accent-color:var(--blue); }
.dbs-message { display:flex; align-items:flex-start; justify-content:space-between; gap:.75rem 1rem; border:1px solid var(--line); border-radius:10px; padding:.9rem 1.15rem 1rem; }
.dbs-message ul { margin:.35rem 0 0 1.15rem; list-style:disc; }
.dbs-message p + details, .dbs-message ul + details { margin-top:.45rem; }
.dbs-message > div { flex:1; min-width:0; overflow-wrap:anywhere; }
.dbs-message .dbs-title + *, .dbs-message p + p, .dbs-message details + p, .dbs-message ul + p { margin-top:.3rem; }
.dbs-message > button { flex:none; }
.dbs-message summary { cursor:pointer; }
.dbs-title { font-weight:600; font-size:1rem; overflow-wrap:anywhere; }
.dbs-good { background:var(--green-soft); border-color:var(--green-line); } .dbs-good .dbs-title { color:var(--green); }
.dbs-warn { background:var(--amber-soft); border-color:var(--amber-line); } .dbs-warn .dbs-title { color:var(--amber); }
.dbs-bad { background:var(--red-soft); border-color:var(--red-line); } .dbs-bad .dbs-title { color:var(--red); }
.dbs-info { background:var(--blue-soft); border-color:var(--blue-line); } .dbs-info .dbs-title { color:var(--blue); }
.dbs-progress { border:1px solid var(--blue-line); border-radius:10px; padding:1.1rem 1.35rem 1.2rem; background:var(--card); }
.dbs-head { display:flex; justify-content:space-between; align-items:baseline; gap:1rem; margin-bottom:.75rem; }
.dbs-head h2 { font-size:1.125rem; } .dbs-head h2:focus { outline:none; }
.dbs-time { color:var(--quiet); font-variant-numeric:tabular-nums; white-space:nowrap; font-size:.875rem; }
.dbs-steps { list-style:none; }
.dbs-steps li { display:grid; grid-template-columns:1.25rem 1fr auto; gap:.65rem; align-items:start; padding:.3rem 0; }
.dbs-sign { display:grid; place-items:center; width:1.125rem; height:1.125rem; margin-top:.17rem; border-radius:50%; border:1.5px solid var(--strong); font-size:.6875rem; line-height:1; font-weight:700; }
.dbs-label small { display:block; color:var(--quiet); font-size:.8125rem; line-height:1.45; overflow-wrap:anywhere; }
.dbs-step-done .dbs-sign { border-color:var(--green); color:var(--green); background:var(--green-soft); }
.dbs-step-failed .dbs-sign { border-color:var(--red); color:var(--red); }
.dbs-step-started .dbs-label { font-weight:600; } .dbs-step-started small { font-weight:400; }
.dbs-step-started .dbs-sign { border-color:var(--blue-line); border-top-color:var(--blue); animation:dbs-turn .8s linear infinite; }
.dbs-step-coming { color:var(--quiet); } .dbs-step-coming .dbs-sign { border-style:dotted; }
@keyframes dbs-turn { to { transform:rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .dbs-step-started .dbs-sign { animation:none; border-color:var(--blue); } }
.dbs-gap { margin-top:.85rem !important; padding:.7rem .9rem !important; border-radius:7px; background:var(--blue-soft); border:1px solid var(--blue-line); font-size:.9375rem; }
.dbs-progress > .dbs-quiet { margin-top:.85rem; font-size:.875rem; }
.dbs-progress .dbs-message { margin:1rem 0 0; }
.dbs-scroll { margin-top:.65rem; overflow-x:auto; border:1px solid var(--line); border-radius:10px; background:var(--card); }
.dbs table { width:100%; border-collapse:collapse; font-size:.875rem; }
.dbs th, .dbs td { padding:.5rem 1.15rem; text-align:left; white-space:nowrap; }
.dbs th { color:var(--quiet); font-weight:500; font-size:.8125rem; background:var(--soft); }
.dbs tbody tr { border-top:1px solid var(--line); }
.dbs .dbs-number { text-align:right; font-variant-numeric:tabular-nums; }
.dbs-dialog { margin:auto; width:min(27rem,calc(100vw - 2rem)); padding:0; border:2px solid var(--red); border-radius:12px; background:var(--card); color:var(--text); box-shadow:0 20px 60px rgb(0 0 0 / .3); }
.dbs-dialog::backdrop { background:rgb(10 12 16 / .55); }
.dbs-dialog form { padding:1.25rem 1.4rem 1.3rem; display:grid; gap:.75rem; }
.dbs-dialog h2 { font-size:1.1875rem; }
.dbs input:not([type=checkbox]) { font:inherit; width:100%; min-width:0; padding:.45rem .7rem; border:1px solid var(--strong); border-radius:7px; background:var(--bg); color:var(--text); }
.dbs-dialog input { font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace !important; }
.dbs-actions { display:flex; flex-wrap:wrap; justify-content:flex-end; gap:.6rem; margin-top:.4rem; }
.dbs-unlock { border:1px solid var(--line); border-radius:10px; padding:1.2rem 1.35rem 1.35rem; display:grid; gap:.6rem; background:var(--card); }
.dbs-unlock h2 { font-size:1.0625rem; } .dbs-unlock label { font-weight:550; font-size:.875rem; }
.dbs-row { display:flex; gap:.6rem; } .dbs-row button { flex:none; }
@media (max-width: 34rem) { .dbs { padding-top:1.5rem; } .dbs-targets button { width:100%; } .dbs-name { font-size:1.625rem; } }
`;

