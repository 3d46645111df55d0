/** The seeded world in which researchers and tests run the production protocol. */
export { createEffectDigest } from './effect-digest.ts'
export { runScenario, type Scenario, type ScenarioReport } from './scenario.ts'
export { createWorld, type SimNode, type World, type WorldOptions } from './world.ts'
