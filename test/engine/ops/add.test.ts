import { add } from '../../../src/engine/ops/add.ts';
import { addBadCases, addCases } from '../../cases/add.ts';
import { addReference } from '../../reference/add.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(add, addReference, addCases, addBadCases);
