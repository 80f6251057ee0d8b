import { scalarBlocks } from '../../../src/engine/ops/scalar-blocks.ts';
import { scalarBlocksBadCases, scalarBlocksCases } from '../../cases/scalar-blocks.ts';
import { scalarBlocksReference } from '../../reference/scalar-blocks.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(scalarBlocks, scalarBlocksReference, scalarBlocksCases, scalarBlocksBadCases, {
  boundWhole: true,
});
