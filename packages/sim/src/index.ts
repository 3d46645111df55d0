/** The seeded world in which researchers and tests run the production protocol. */
export { type CheckOutcome, createCheckers } from './checkers.ts'
export { createEffectDigest } from './effect-digest.ts'
export { FOLLOWING_SUPERVISOR, LEADING_SUPERVISOR, type Restart } from './restarts.ts'
export { type Broken, progressLine, runScenario, type Scenario, type ScenarioReport, SEED_MAX } from './scenario.ts'
export { createWorld, type SimNode, type Step, type World, type WorldOptions } from './world.ts'
