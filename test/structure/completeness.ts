/** Whether a source exports an op. */
export function definesOp(text: string): boolean {
  return /^export const \w+: Op</m.test(text);
}

/**
 * What is missing beside the ops and losses of a project. Basenames mirror: `src/engine/ops/conv3d.ts` wants
 * `shaders/conv3d.wgsl`, `test/reference/conv3d.ts`, `test/cases/conv3d.ts`, `test/engine/ops/conv3d.test.ts` and a file of
 * src/pipeline/bench that imports the op; losses the same with src/engine/loss and test/engine/loss, without a bench. Files of src/engine/loss that define no op (the registry, entries
 * that share an op) want nothing. The other way round, each of these files wants its source, and each shader a source that names it.
 *
 * @param files text by path from the project's root
 * @returns one line a file that is missing or left over
 */
export function incompleteSets(files: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  const matching = (pattern: RegExp): RegExpExecArray[] =>
    [...files.keys()].flatMap((path) => {
      const match = pattern.exec(path);
      return match ? [match] : [];
    });

  for (const [path, room, stem] of matching(/^src\/engine\/(ops|loss)\/([^/]+)\.ts$/)) {
    if (room === 'loss' && !definesOp(files.get(path)!)) continue;
    const wanted = [
      `shaders/${stem}.wgsl`,
      `test/reference/${stem}.ts`,
      `test/cases/${stem}.ts`,
      `test/engine/${room}/${stem}.test.ts`,
    ];
    for (const file of wanted) if (!files.has(file)) faults.push(`${path}: ${file} is missing`);
    if (!new RegExp(`name: '${stem}'`).test(files.get(path)!))
      faults.push(`${path}: its op is not named ${stem}`);
    const benched = matching(/^src\/pipeline\/bench\/.*\.ts$/).some(([bench]) =>
      files.get(bench)!.includes(`/ops/${stem}.ts`),
    );
    if (room === 'ops' && !benched) faults.push(`${path}: no bench imports it`);
  }

  const stems = new Set(matching(/^src\/.*?([^/]+)\.ts$/).map(([, stem]) => stem));
  for (const [path, stem] of matching(/^test\/(?:reference|cases)\/([^/]+)\.ts$/))
    if (!stems.has(stem!)) faults.push(`${path}: no source of src is called ${stem}`);
  for (const [path, room, stem] of matching(/^test\/engine\/(ops|loss)\/([^/]+)\.test\.ts$/))
    if (!files.has(`src/engine/${room}/${stem}.ts`))
      faults.push(`${path}: src/engine/${room}/${stem}.ts is missing`);

  const sources = matching(/^src\/.*\.ts$/).map(([path]) => files.get(path)!);
  for (const [path, name] of matching(/^shaders\/(.*\.wgsl)$/)) {
    const users = name!.startsWith('common/')
      ? matching(/^shaders\/.*\.wgsl$/).map(([shader]) => files.get(shader)!)
      : sources;
    const mark = name!.startsWith('common/') ? `//!include ${name}` : `'${name}'`;
    if (!users.some((text) => text.includes(mark))) faults.push(`${path}: nothing uses it`);
  }
  return faults;
}
