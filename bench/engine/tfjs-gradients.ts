/**
 * Derivatives of TensorFlow.js, which the packages' builds for Node leave out. Their modules find each other only through a bundler, so `tfjs.ts`
 * bundles this file; they enter themselves into a register that all copies of the core share. Flags come first: entering reads one.
 */
import '@tensorflow/tfjs-core/dist/flags.js'
import '@tensorflow/tfjs-core/dist/register_all_gradients.js'
