import { expectShape, floatBits, type Graph, type Node, type Op, type Places, type Shape, type Value } from '../graph/graph.ts'
import { expectDType, expectLabels, firstAxis, lastAxis } from './rows.ts'

export interface LossOptions {
  /** Compute the gradient along with the loss, so that `differentiate` can go through it. Default false. */
  readonly gradient?: boolean
}

/**
 * Losses answer one number a row, and have the gradient of the SUM of these numbers as an output before it when asked. A loss ends a
 * model: `differentiate` starts at it, nothing is differentiated through what is computed from it.
 */
type Attributes = { readonly gradient: boolean; readonly delta: number }

/**
 * Softmax cross entropy of rows: logits f32 [..., classes], labels i32, one a row; answers f32 [rows].
 *
 * m = the row's largest logit, e = exp(fl(x - m)), S = sum of e by lanes; loss = fl(log S - fl(x_label - m));
 * gradient fl(e / S), at the label fl(fl(e / S) - 1). A label outside of the classes makes its row NaN, loss and gradient.
 * docs/arithmetic, "Losses".
 *
 * @throws RangeError if the labels are not one for each row
 */
export function softmaxCrossEntropy(graph: Graph, logits: Value, labels: Value, { gradient = false }: LossOptions = {}): Value {
  return graph.apply(softmaxCrossEntropyOp, [logits, labels], { gradient, delta: 0 }).at(-1)!
}

/**
 * Binary cross entropy of logits against targets of equal shape [rows, ...]; answers f32 [rows], the sum over a row's outputs.
 *
 * One output: fl(fl(max(x, 0) - fl(x t)) + log(fl(1 + exp(-|x|)))), added by 16 lanes; gradient fl(sigmoid(x) - t).
 *
 * @throws RangeError if the shapes differ
 */
export function binaryCrossEntropy(graph: Graph, logits: Value, targets: Value, { gradient = false }: LossOptions = {}): Value {
  return graph.apply(binaryCrossEntropyOp, [logits, targets], { gradient, delta: 0 }).at(-1)!
}

/**
 * Squared error of predictions against targets of equal shape [rows, ...]; answers f32 [rows], the mean over a row's n outputs.
 *
 * d = fl(p - t); loss = fl(S / n), S = sum of fl(d d) by lanes; gradient fl(fl(d + d) / n).
 *
 * @throws RangeError if the shapes differ
 */
export function meanSquaredError(graph: Graph, predictions: Value, targets: Value, { gradient = false }: LossOptions = {}): Value {
  return graph.apply(meanSquaredErrorOp, [predictions, targets], { gradient, delta: 0 }).at(-1)!
}

/**
 * Huber's loss of predictions against targets of equal shape [rows, ...]; answers f32 [rows], the mean over a row's n outputs.
 *
 * d = fl(p - t); one output: |d| <= delta ? fl(fl(0.5 d) d) : fl(delta fl(|d| - fl(0.5 delta))), added by lanes, the sum divided by n;
 * gradient fl(clamp(d, -delta, delta) / n).
 *
 * @param options delta: where the parabola ends, > 0, rounded to binary32; default 1
 * @throws RangeError if the shapes differ or delta is not finite and positive
 */
export function huber(
  graph: Graph,
  predictions: Value,
  targets: Value,
  { gradient = false, delta = 1 }: LossOptions & { readonly delta?: number } = {},
): Value {
  return graph.apply(huberOp, [predictions, targets], { gradient, delta }).at(-1)!
}

export const softmaxCrossEntropyOp: Op<Attributes> = {
  ...lossOp('softmax cross entropy', 0x501),
  infer([logits, labels], { gradient }) {
    expectLabels('softmax cross entropy', logits!, labels!)
    return results(logits!.shape, lastAxis(logits!.shape).rows, gradient)
  },
  words: (node, places) => words(node, places, lastAxis(node.inputs[0]!.shape)),
}
export const binaryCrossEntropyOp = lossOp('binary cross entropy', 0x502)
export const meanSquaredErrorOp = lossOp('mean squared error', 0x503)
export const huberOp = lossOp('huber', 0x504)

function lossOp(name: string, code: number): Op<Attributes> {
  return {
    name,
    code,
    infer([predictions, targets], { gradient, delta }) {
      expectDType(`${name}: predictions`, predictions!, 'f32')
      expectDType(`${name}: targets`, targets!, 'f32')
      expectShape(`${name}: targets`, targets!, predictions!.shape)
      const rounded = Math.fround(delta)
      if (code === 0x504 && !(rounded > 0 && Number.isFinite(rounded)))
        throw new RangeError(`${name}: expected a finite delta above 0, received ${delta}`)
      return results(predictions!.shape, firstAxis(predictions!.shape).rows, gradient)
    },
    gradient(_graph, { outputs, attributes }, gradients) {
      if (gradients.length > 0) throw new RangeError(`${name}: expected to be the loss, received a gradient from what is computed of it`)
      if (!attributes.gradient) throw new RangeError(`${name}: expected { gradient: true } to be trained, received false`)
      return [outputs[0], undefined]
    },
    words: (node, places) => words(node, places, firstAxis(node.inputs[0]!.shape)),
    inPlace: [[0, 0]],
  }
}

function results(shape: Shape, rows: number, gradient: boolean) {
  return gradient ? [{ shape }, { shape: [rows] }] : [{ shape: [rows] }]
}

function words(
  { inputs: [x, t], outputs, attributes }: Node<Attributes>,
  { at }: Places,
  { rows, columns }: { rows: number; columns: number },
): readonly number[] {
  const gradient = attributes.gradient ? at(outputs[0]!) : 0
  return [rows, columns, at(x!), at(t!), gradient, at(outputs.at(-1)!), floatBits(attributes.delta)]
}
