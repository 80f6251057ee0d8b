/**
 * The report's style sheet. Colours are set once for light and once for dark; every text and line colour has a
 * contrast of at least 4.5 (text) or 3 (curves) on its ground. Wide tables scroll inside themselves.
 */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--ground:#fff;--panel:#f4f6f8;--ink:#16202b;--quiet:#56626f;--line:#d5dbe1;--accent:#0a5fb4;--raw:#9db8d6;
--curve:#0a5fb4}
@media(prefers-color-scheme:dark){:root{--ground:#12171d;--panel:#1a2129;--ink:#e7ecf1;--quiet:#9eabb8;--line:#303a45;--accent:#7bb8f5;
--raw:#3f5f80;--curve:#7bb8f5}}
*{box-sizing:border-box}
body{margin:0 auto;padding:0 clamp(16px,4vw,40px);max-width:1160px;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif;-webkit-text-size-adjust:100%}
header{padding:40px 0 8px}
h1{margin:0 0 12px;max-width:26em;font-size:clamp(1.4rem,1.05rem + 1.6vw,2rem);line-height:1.2;letter-spacing:-.01em;text-wrap:balance}
h2{margin:0 0 16px;font-size:1.2rem;line-height:1.3}
p{margin:0 0 12px;max-width:68ch}
section{padding:28px 0 4px}
a{color:var(--accent)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,210px),1fr));gap:12px 24px;margin:20px 0 0;padding:16px 20px;
background:var(--panel);border-radius:8px}
.facts div{min-width:0}
dt{color:var(--quiet);font-size:.8125rem}
dd{margin:0;overflow-wrap:anywhere}
.scroll{margin:0 0 12px;overflow-x:auto}
.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:4px}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9375rem}
caption{padding:0 0 8px;color:var(--quiet);text-align:left;font-size:.875rem}
caption span{position:sticky;left:0;display:inline-block;max-width:calc(100vw - 32px)}
th,td{padding:8px 10px;border-bottom:1px solid var(--line);text-align:left;vertical-align:baseline}
thead th{color:var(--quiet);font-size:.8125rem;font-weight:500;line-height:1.25;vertical-align:bottom;border-color:var(--quiet)}
tbody th{font-weight:500;white-space:nowrap}
th:first-child{position:sticky;left:0;padding-left:0;background:var(--ground)}
td:last-child,th:last-child{padding-right:0}
.number{text-align:right}
td.number{white-space:nowrap}
td small{display:block;color:var(--quiet);font-size:.75rem}
.summary>*{border-top:1px solid var(--quiet)}
figure{margin:0 0 28px}
figcaption{margin-top:8px;color:var(--quiet);font-size:.875rem;max-width:80ch}
.scans,.charts{display:grid;gap:12px}
.scans{grid-template-columns:repeat(auto-fit,minmax(min(46%,180px),1fr));max-width:calc(var(--pictures)*300px)}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,230px),1fr));gap:20px 24px;max-width:calc(var(--pictures)*480px)}
.picture{min-width:0}
.picture img,.picture svg{display:block;width:100%;height:auto}
.picture img{border-radius:6px;background:#000}
.picture p{margin:6px 0 0;font-size:.875rem;line-height:1.35}
.picture b{font-weight:600}
.picture span{white-space:nowrap;color:var(--quiet);font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;margin:0 0 14px;padding:0;list-style:none;font-size:.875rem}
.legend li{display:flex;align-items:center;gap:8px}
.legend i{width:14px;height:14px;border-radius:3px;box-shadow:inset 0 0 0 1px #0003}
footer{margin:28px 0 0;padding:20px 0 40px;border-top:1px solid var(--line);color:var(--quiet);font-size:.875rem}
@media(max-width:480px){header{padding-top:24px}.facts{padding:14px 16px;grid-template-columns:1fr 1fr;gap:12px 16px}th,td{padding:8px}
.scans{gap:10px 8px}}
@media print{body{max-width:none}.scroll{overflow:visible}section,figure{break-inside:avoid}}
`;
