import { describe, expect, it } from 'vitest';
import {
  escapeHtml,
  factList,
  figure,
  html,
  legend,
  page,
  tableHtml,
  trusted,
} from '../../../src/imaging/report/html.ts';

const ATTACK = `<script>alert("1")</script><img src=x onerror='alert(2)'>&`;

describe('escaping', () => {
  it('turns the five special characters into entities', () => {
    expect(escapeHtml(`&<>"'`)).toBe('&amp;&lt;&gt;&quot;&#39;');
  });

  it('happens to every value of a template but markup', () => {
    const inner = html`<b>${'<i>'}</b>`;
    expect(
      html`<p title="${'"x'}">${inner}${[1, '&', null, false, undefined, trusted('<hr>')]}</p>`.text,
    ).toBe('<p title="&quot;x"><b>&lt;i&gt;</b>1&amp;<hr></p>');
  });

  it('leaves no way in through any text of a page', () => {
    const text = page({
      title: ATTACK,
      headline: ATTACK,
      lead: ATTACK,
      footer: ATTACK,
      sections: [
        {
          id: ATTACK,
          title: ATTACK,
          body: [
            ATTACK,
            factList([[ATTACK, ATTACK]]),
            legend([[ATTACK, [1, 2, 3]]]),
            figure(
              [{ source: ATTACK, alt: ATTACK, width: 1, height: 1, label: ATTACK, detail: ATTACK }],
              ATTACK,
              'scans',
            ),
            tableHtml({
              caption: ATTACK,
              columns: [
                { key: ATTACK, label: ATTACK, unit: ATTACK, kind: 'text' },
                { key: 'n', label: 'n', kind: 'number' },
              ],
              rows: [{ [ATTACK]: ATTACK, n: ATTACK }],
            }),
          ],
        },
      ],
    });
    expect(text).not.toContain('<script');
    expect(text).not.toContain('<img src=x');
    expect(text.match(/alert\(/g)!.length).toBeGreaterThan(30);
    // Every quote inside an attribute is an entity, so none of these ended one.
    expect(text).not.toMatch(/="[^"]*"1"/);
  });
});

describe('page', () => {
  const text = page({
    title: 'Title',
    headline: 'What was found',
    lead: html`<p>How.</p>`,
    footer: 'End',
    sections: [{ id: 'a', title: 'Part', body: 'Body' }],
  });

  it('has its landmarks, language and one h1', () => {
    for (const part of [
      '<html lang="en">',
      '<header>',
      '<main>',
      '<footer>',
      '<title>Title</title>',
      'viewport',
    ])
      expect(text).toContain(part);
    expect(text.match(/<h1>/g)).toHaveLength(1);
    expect(text).toContain('<section aria-labelledby="a">\n<h2 id="a">Part</h2>');
  });

  it('asks for nothing from anywhere, and forbids it', () => {
    expect(text).toContain(`default-src 'none'`);
    expect(text).not.toMatch(/(src|href|url|@import)\s*[=(]?\s*["']?\s*(https?:)?\/\//);
  });

  it('is in light and dark', () => {
    expect(text).toContain('color-scheme:light dark');
    expect(text).toContain('prefers-color-scheme:dark');
  });
});

describe('tableHtml', () => {
  it('has a caption, scopes, right-aligned numbers, bold bests and a summary row', () => {
    const { text } = tableHtml({
      caption: 'Dice',
      columns: [
        { key: 'name', label: 'Variant', kind: 'text' },
        { key: 'dice', label: 'Dice', kind: 'number', digits: 2, better: 'high' },
      ],
      rows: [
        { name: 'a', dice: 0.5 },
        { name: 'b', dice: 0.75 },
        { name: 'mean', dice: 0.625 },
      ],
      summaryRows: [2],
    });
    expect(text).toContain('<caption><span>Dice</span></caption>');
    expect(text).toContain('<th scope="col" class="number">Dice</th>');
    expect(text).toContain('<tr><th scope="row">b</th><td class="number"><strong>0.75</strong></td></tr>');
    expect(text).toContain('<tr class="summary"><th scope="row">mean</th>');
    expect(text.match(/<strong>/g)).toHaveLength(1);
    expect(text).toContain('role="region" aria-label="Dice" tabindex="0"');
  });
});

describe('figure', () => {
  it('gives every picture an alternative text and its size', () => {
    const { text } = figure(
      [{ source: 'data:x', alt: 'Axial', width: 3, height: 4, label: 'FLAIR' }],
      'Cap',
      'scans',
    );
    expect(text).toContain('<img src="data:x" alt="Axial" width="3" height="4">');
    expect(text).toContain('<p><b>FLAIR</b></p>');
    expect(text).toContain('<figcaption>Cap</figcaption>');
  });
});
