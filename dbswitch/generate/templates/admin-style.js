/* eslint-disable */
// How the admin page looks: its own names only, light and dark. Red stands for a protected database, and for nothing
// else that fills a card. Written by `dbswitch generate page`, which also brings it up to date; do not edit it.

export const style = `
.dbs { --bg:#fff; --card:#fff; --soft:#f5f6f8; --text:#17191f; --quiet:#565d6b; --line:#dde1e7; --strong:#8a92a0;
  --red:#b42318; --red-soft:#fdf0ee; --green:#1c6b3f; --green-soft:#edf7f0; --green-line:#b6d9c3;
  --amber:#7a4d00; --amber-soft:#fdf5e3; --amber-line:#e5cd98; --blue:#1f57b0; --blue-soft:#eef4fd; --blue-line:#bdd2f2;
  --on-red:#fff; color-scheme:light;
  box-sizing:border-box; min-height:100vh; margin:0; padding:2.5rem max(1.25rem,calc(50vw - 24rem)) 4rem; background:var(--bg); color:var(--text);
  font:15px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif; text-align:left; }
@media (prefers-color-scheme: dark) { .dbs { --bg:#111318; --card:#181b21; --soft:#1d2129; --text:#e9ebef; --quiet:#a3abb9; --line:#2d323c; --strong:#6d7684;
  --red:#ff9287; --red-soft:#2c1816; --green:#7fd3a1; --green-soft:#14241b; --green-line:#2c5540;
  --amber:#efc169; --amber-soft:#271f0f; --amber-line:#5d4a1e; --blue:#93bcff; --blue-soft:#151f30; --blue-line:#2c446b; --on-red:#1a0d0b; color-scheme:dark; } }
body:has(.dbs) { margin:0; background:#fff; }
@media (prefers-color-scheme: dark) { body:has(.dbs) { background:#111318; } }
.dbs *, .dbs *::before { box-sizing:border-box; }
.dbs h1, .dbs h2, .dbs p, .dbs ul, .dbs ol, .dbs dl, .dbs dd { margin:0; padding:0; }
.dbs h1 { font-size:1.75rem; line-height:1.2; font-weight:650; letter-spacing:-.015em; }
.dbs h2 { font-size:.9375rem; font-weight:600; }
.dbs h2:focus { outline:none; }
.dbs header { margin-bottom:1.5rem; }
.dbs section, .dbs-unlock { margin-bottom:1.75rem; }
.dbs code { font:.9em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace; background:none; padding:0; color:inherit; overflow-wrap:anywhere; }
.dbs-quiet { color:var(--quiet); }
.dbs header p { font-size:.8125rem; }
.dbs-red { color:var(--red); }
.dbs [hidden] { display:none; }
.dbs-hidden { position:absolute; width:1px; height:1px; overflow:hidden; clip-path:inset(50%); white-space:nowrap; }

.dbs-current, .dbs-progress, .dbs-unlock, .dbs-notice { border:1px solid var(--line); border-radius:10px; padding:1.1rem 1.35rem 1.2rem; background:var(--card); }
.dbs-current h2 { font-weight:500; font-size:.875rem; }
.dbs-is-open { background:var(--green-soft); border-color:var(--green-line); }
.dbs-is-open .dbs-name { color:var(--green); }
.dbs-is-unknown { background:var(--amber-soft); border-color:var(--amber-line); }
.dbs-is-unknown .dbs-name { color:var(--amber); }
.dbs-is-protected { background:var(--red-soft); border:2px solid var(--red); padding:calc(1.1rem - 1px) calc(1.35rem - 1px) calc(1.2rem - 1px); }
.dbs-is-protected .dbs-name { color:var(--red); }
.dbs-name { display:flex; flex-wrap:wrap; align-items:center; gap:.25rem .75rem; font-size:2rem; line-height:1.3; font-weight:680; letter-spacing:-.02em; overflow-wrap:anywhere; }
.dbs-current dl { display:flex; flex-wrap:wrap; gap:.5rem 2.25rem; margin-top:.75rem; }
.dbs-current dt { font-size:.8125rem; } .dbs-current dd { font-size:.9375rem; } .dbs-current dd code { font-size:.875rem; }
.dbs-current > * + p:not(.dbs-name) { margin-top:.6rem; }
.dbs-verdict { margin-top:1rem; padding-top:.75rem; border-top:1px solid color-mix(in srgb, currentColor 16%, transparent); }
.dbs-verdict.dbs-warn { padding:.75rem .9rem; border:1px solid var(--amber-line); border-radius:8px; background:var(--amber-soft); color:var(--amber); }
.dbs-verdict p { font-weight:550; overflow-wrap:anywhere; }
.dbs-verdict p span { display:inline-block; min-width:1.1em; font-weight:700; }
.dbs-badge { display:inline-block; padding:.1rem .55rem; border-radius:999px; border:1px solid var(--strong); font-size:.75rem; line-height:1.45; font-weight:600; letter-spacing:0; white-space:nowrap; }
.dbs-danger-badge { background:var(--red); border-color:var(--red); color:var(--on-red); }

.dbs-notice { display:flex; flex-wrap:wrap; align-items:flex-start; gap:.5rem .8rem; }
.dbs-notice > div { flex:1 1 15rem; min-width:0; overflow-wrap:anywhere; }
.dbs-notice > .dbs-sign { flex:none; width:1.35rem; height:1.35rem; margin-top:.08rem; font-size:.8125rem; }
.dbs-notice h2 { font-size:1rem; line-height:1.5; }
.dbs-notice h2 + *, .dbs-notice p + p, .dbs-notice ul + p { margin-top:.3rem; }
.dbs-notice ul { margin:.3rem 0 0 1.15rem; list-style:disc; }
.dbs-notice.dbs-failed { border-color:var(--strong); }
.dbs-notice.dbs-failed > .dbs-sign { border-color:var(--red); background:var(--red); color:var(--on-red); }
.dbs-notice.dbs-warn { background:var(--amber-soft); border-color:var(--amber-line); } .dbs-notice.dbs-warn :is(h2,.dbs-sign) { color:var(--amber); border-color:currentColor; }
.dbs-notice.dbs-info { background:var(--blue-soft); border-color:var(--blue-line); } .dbs-notice.dbs-info :is(h2,.dbs-sign) { color:var(--blue); border-color:currentColor; }

.dbs-targets, .dbs-history { list-style:none; margin-top:.65rem !important; border:1px solid var(--line); border-radius:10px; background:var(--card); overflow:hidden; }
.dbs-targets li { display:flex; flex-wrap:wrap; align-items:center; justify-content:space-between; gap:.5rem 1rem; min-height:4rem; padding:.5rem 1rem .5rem 1.15rem; }
.dbs :is(.dbs-targets, .dbs-history) li + li { border-top:1px solid var(--line); }
.dbs-what { flex:1; display:flex; flex-wrap:wrap; align-items:center; gap:.2rem .65rem; min-width:0; overflow-wrap:anywhere; }
.dbs-what code { color:var(--quiet); }
.dbs button { font:inherit; font-weight:550; font-size:.875rem; min-height:2.75rem; min-width:2.75rem; padding:.4rem 1rem; border-radius:8px; border:1px solid var(--strong); background:var(--card); color:var(--text); cursor:pointer; }
.dbs button:hover:not(:disabled) { background:var(--soft); }
.dbs button.dbs-danger { border-color:var(--red); color:var(--red); }
.dbs button.dbs-danger:hover:not(:disabled) { background:var(--red-soft); }
.dbs button.dbs-solid, .dbs button.dbs-solid:hover:not(:disabled) { background:var(--red); color:var(--on-red); }
.dbs button:disabled { cursor:not-allowed; opacity:.5; }
.dbs :is(button,input,summary):focus-visible { outline:2px solid var(--blue); outline-offset:2px; }
.dbs-option { display:flex; align-items:center; gap:.6rem; min-height:2.75rem; margin-top:.25rem !important; color:var(--quiet); font-size:.875rem; }
.dbs-option input { flex:none; width:1.125rem; height:1.125rem; margin:0; accent-color:var(--blue); }
.dbs summary { display:flex; align-items:center; width:fit-content; min-height:2.75rem; padding-right:.75rem; cursor:pointer; font-size:.875rem; color:var(--quiet); }
.dbs-is-protected summary, .dbs-is-open summary, .dbs-warn summary { color:inherit; }
.dbs summary::before { content:"▸"; width:1.1em; } .dbs details[open] > summary::before { content:"▾"; }
.dbs summary::-webkit-details-marker { display:none; }
.dbs details { margin-bottom:-.5rem; } .dbs details > :is(ul,ol) { margin-top:0; }

.dbs-progress { border-color:var(--blue-line); }
.dbs-head { display:flex; justify-content:space-between; align-items:baseline; gap:1rem; margin-bottom:.75rem; }
.dbs-head h2 { font-size:1.125rem; overflow-wrap:anywhere; }
.dbs-time { color:var(--quiet); font-variant-numeric:tabular-nums; white-space:nowrap; font-size:.875rem; text-align:right; }
.dbs-current .dbs-time, .dbs-current small { color:inherit !important; }
.dbs-steps { list-style:none; }
.dbs-steps li { display:grid; grid-template-columns:1.25rem 1fr auto; gap:.65rem; align-items:start; padding:.3rem 0; }
.dbs-sign { display:grid; place-items:center; width:1.125rem; height:1.125rem; margin-top:.17rem; border-radius:50%; border:1.5px solid var(--strong); font-size:.6875rem; line-height:1; font-weight:700; }
.dbs-label { min-width:0; } .dbs-label small { display:block; color:var(--quiet); font-size:.8125rem; line-height:1.45; overflow-wrap:anywhere; }
.dbs-step-done .dbs-sign { border-color:var(--green); color:var(--green); }
.dbs-step-failed .dbs-sign { border-color:var(--red); color:var(--red); }
.dbs-is-protected .dbs-step-done .dbs-sign { border-color:currentColor; color:inherit; }
.dbs-step-started .dbs-label { font-weight:600; } .dbs-step-started small { font-weight:400; }
.dbs-step-started .dbs-sign { border-color:var(--blue-line); border-top-color:var(--blue); animation:dbs-turn .8s linear infinite; }
.dbs-step-coming { color:var(--quiet); } .dbs-step-coming .dbs-sign { border-style:dotted; }
@keyframes dbs-turn { to { transform:rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .dbs-step-started .dbs-sign { animation:none; border-color:var(--blue); } }
.dbs-progress > .dbs-quiet { margin-top:.85rem; font-size:.875rem; }
.dbs-progress .dbs-notice { margin:1rem 0 0; }
.dbs-row { display:flex; gap:.6rem; } .dbs-row button { flex:none; }
.dbs-cancel { align-items:center; justify-content:space-between; margin-top:1rem; padding-top:1rem; border-top:1px solid var(--line); font-size:.875rem; }

.dbs-history li { display:grid; grid-template-columns:minmax(8rem,1fr) minmax(13rem,1.7fr) 6rem 3.5rem; gap:.1rem 1rem; align-items:baseline; padding:.6rem 1.15rem; font-size:.875rem; }
.dbs-history span { overflow-wrap:anywhere; } .dbs-history time { color:var(--quiet); white-space:nowrap; }

.dbs-dialog { margin:auto; width:min(27rem,calc(100vw - 2rem)); padding:0; border:2px solid var(--red); border-radius:12px; background:var(--card); color:var(--text); box-shadow:0 20px 60px rgb(0 0 0 / .3); }
.dbs-dialog::backdrop { background:rgb(10 12 16 / .55); }
.dbs-dialog form { padding:1.25rem 1.4rem 1.3rem; display:grid; gap:.75rem; }
.dbs-dialog h2 { font-size:1.1875rem; }
.dbs-dialog label { font-weight:550; } .dbs-dialog input + p { margin-top:-.35rem; font-size:.875rem; }
.dbs input:not([type=checkbox]) { font:inherit; width:100%; min-width:0; min-height:2.75rem; padding:.45rem .7rem; border:1px solid var(--strong); border-radius:8px; background:var(--bg); color:var(--text); }
.dbs input[aria-invalid=true] { border-color:var(--red); }
.dbs-dialog input { font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace !important; }
.dbs-actions { display:flex; flex-wrap:wrap; justify-content:flex-end; gap:.6rem; margin-top:.4rem; }
.dbs-unlock { display:grid; gap:.6rem; }
.dbs-unlock h2 { font-size:1.0625rem; } .dbs-unlock label { font-weight:550; font-size:.875rem; }
@media (max-width: 40rem) {
  .dbs { padding-top:1.5rem; } .dbs-name { font-size:1.625rem; }
  .dbs-current dl { display:grid; grid-template-columns:auto auto; justify-content:start; gap:.5rem 1.75rem; }
  .dbs :is(.dbs-targets, .dbs-actions) button, .dbs-notice > button { flex:1 0 100%; }
  .dbs-history li { grid-template-columns:1fr auto; }
  .dbs-history li > :nth-child(2) { grid-area:2/1; } .dbs-history time { grid-area:2/2; text-align:right; } .dbs-history .dbs-time { grid-area:1/2; }
}
`;

