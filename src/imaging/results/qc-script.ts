/**
 * What the page of a cohort does in a browser: shows pictures that are near the window only, takes ratings by keys and
 * buttons, keeps them, and saves them as a table. Plain JavaScript, since the page stands alone.
 */
export const QC_SCRIPT = `'use strict';
const scans = [...document.querySelectorAll('article')];
const key = 'voxelgrad-qc:' + document.body.dataset.cohort;
let ratings = JSON.parse(document.getElementById('ratings').textContent);
try { ratings = { ...ratings, ...JSON.parse(localStorage.getItem(key) ?? '{}') }; } catch { /* Storage may be closed to files. */ }
let current = -1;

const show = (article) => {
  const img = article.querySelector('img');
  const data = document.getElementById('picture-' + article.dataset.index);
  if (img && data && !img.src) img.src = 'data:image/png;base64,' + data.textContent;
};
const hide = (article) => article.querySelector('img')?.removeAttribute('src');
const observer = new IntersectionObserver(
  (entries) => { for (const { target, isIntersecting } of entries) (isIntersecting ? show : hide)(target); },
  { rootMargin: '800px' },
);
for (const article of scans) observer.observe(article);

const paint = (article) => {
  const { rating = '', comment = '' } = ratings[article.id] ?? {};
  article.dataset.rating = rating;
  for (const button of article.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.value === rating && rating !== ''));
  const input = article.querySelector('input');
  if (input.value !== comment) input.value = comment;
};
const count = () => {
  const of = (rating) => scans.filter(({ id }) => (ratings[id]?.rating ?? '') === rating).length;
  document.getElementById('count').textContent = of('pass') + ' pass, ' + of('fail') + ' fail, ' + of('') + ' to do';
};
const keep = (article, change) => {
  ratings[article.id] = { ...ratings[article.id], ...change };
  try { localStorage.setItem(key, JSON.stringify(ratings)); } catch { /* As above. */ }
  paint(article);
  count();
};
const visible = () => scans.filter((article) => !article.hidden);
const select = (index) => {
  const list = visible();
  if (list.length === 0) return;
  const next = list[Math.min(list.length - 1, Math.max(0, index))];
  scans[current]?.removeAttribute('aria-current');
  current = scans.indexOf(next);
  next.setAttribute('aria-current', 'true');
  next.scrollIntoView({ block: 'center' });
};
const step = (by) => select(visible().indexOf(scans[current]) + by);
const rate = (rating) => {
  if (current < 0) select(0);
  keep(scans[current], { rating });
};

for (const article of scans) {
  paint(article);
  article.addEventListener('click', ({ target }) => {
    const list = visible();
    if (target.tagName !== 'INPUT') select(list.indexOf(article));
    if (target.tagName === 'BUTTON') keep(article, { rating: article.dataset.rating === target.value ? '' : target.value });
  });
  article.querySelector('input').addEventListener('input', ({ target }) => keep(article, { comment: target.value }));
}
count();

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.tagName === 'INPUT') { if (event.key === 'Escape') event.target.blur(); return; }
  if (event.target.tagName === 'SELECT') return;
  const does = {
    j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
    p: () => { rate('pass'); step(1); }, f: () => { rate('fail'); step(1); }, u: () => rate(''),
    c: () => { if (current < 0) select(0); scans[current].querySelector('input').focus(); },
    s: () => save(),
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

document.getElementById('filter').addEventListener('change', ({ target }) => {
  for (const article of scans) {
    const rating = ratings[article.id]?.rating ?? '';
    article.hidden = target.value !== 'all' && (target.value === 'todo' ? rating !== '' : target.value === 'odd' ? article.dataset.odd !== 'yes' : rating !== target.value);
  }
});
const list = document.getElementById('scans');
document.getElementById('order').addEventListener('change', ({ target }) => {
  const by = target.value === 'name' ? (a, b) => (a.id < b.id ? -1 : 1) : (a, b) => a.dataset.index - b.dataset.index;
  scans.sort(by);
  list.append(...scans);
  current = -1;
});

const cell = (text) => {
  const plain = text.replace(/\\s+/g, ' ').trim();
  return plain === '' ? 'n/a' : /^[=+\\-@]/.test(plain) ? "'" + plain : plain;
};
const save = () => {
  const rows = [...scans].sort((a, b) => (a.id < b.id ? -1 : 1)).map((article) => {
    const { rating = '', comment = '' } = ratings[article.id] ?? {};
    return [article.dataset.participant, article.dataset.session, rating, comment, article.dataset.score].map(cell).join('\\t');
  });
  const text = ['participant_id\\tsession_id\\trating\\tcomment\\toutlier_score', ...rows, ''].join('\\n');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/tab-separated-values' }));
  link.download = 'qc.tsv';
  link.click();
  URL.revokeObjectURL(link.href);
};
document.getElementById('save').addEventListener('click', save);
`;
