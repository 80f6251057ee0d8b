/** `npm run docs`: writes the pages of src/docs that follow from the code. A test holds them against it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cliReference } from '../../src/cli/reference.ts';
import { exportsPage } from './exports.ts';

const FOLDER = join(import.meta.dirname, '../../src/docs');

writeFileSync(join(FOLDER, 'cli.md'), cliReference());
writeFileSync(join(FOLDER, 'api.md'), exportsPage());
