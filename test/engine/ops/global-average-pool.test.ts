import { globalAveragePool } from '../../../src/engine/ops/global-average-pool.ts';
import { globalAveragePoolBadCases, globalAveragePoolCases } from '../../cases/global-average-pool.ts';
import { globalAveragePoolReference } from '../../reference/global-average-pool.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(globalAveragePool, globalAveragePoolReference, globalAveragePoolCases, globalAveragePoolBadCases);
