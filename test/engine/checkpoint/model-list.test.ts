import { describe, expect, it } from 'vitest';
import { formatModelList, parseModelList } from '../../../src/engine/checkpoint/model-list.ts';

const model = { name: 'Phantoms', file: 'models/phantoms.safetensors', note: 'For trying out.' };

describe('parseModelList', () => {
  it('reads what formatModelList writes', () => {
    expect(parseModelList(formatModelList([model]), 'models.json')).toEqual([model]);
    expect(parseModelList('{"models":[]}', 'models.json')).toEqual([]);
  });

  it.each([
    ['nonsense', 'is not JSON'],
    ['{}', 'has no list of models'],
    ['{"models":[{"file":"a.safetensors","note":""}]}', 'model 1 has no name'],
    [JSON.stringify({ models: [{ ...model, file: 'https://elsewhere/a.safetensors' }] }), 'is not a path'],
    [JSON.stringify({ models: [{ ...model, file: '../a.safetensors' }] }), 'is not a path'],
    [JSON.stringify({ models: [{ ...model, file: '/a.safetensors' }] }), 'is not a path'],
  ])('refuses %s', (text, message) => {
    expect(() => parseModelList(text, 'models.json')).toThrow(message);
  });
});
