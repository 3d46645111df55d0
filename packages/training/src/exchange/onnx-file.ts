/**
 * The bytes of an ONNX file: protocol buffers, by the table of `onnx-messages.ts`.
 *
 * The reader and writer of single fields are those of protobufjs' minimal build, which makes no code at run time, so a page that forbids
 * `eval` can load this. Floats that lie in `rawData` are a view into the file, not a copy.
 */
import protobuf from 'protobufjs/minimal.js'
import { type Field, type Message, MODEL, type OnnxModel } from './onnx-messages.ts'

export type DecodedOnnx = { readonly ok: true; readonly model: OnnxModel } | { readonly ok: false; readonly error: string }

/** The format's own bound: protocol buffers of 2 GiB and more are not exchanged. */
export const FILE_BYTES_MAX = 2 ** 31 - 1
/** Numbers outside `rawData`; each costs more memory than its bytes. */
const NUMBERS_MAX = 1 << 24
/** A message or a name counts as this many numbers, since an empty one is two bytes in the file and an object in memory. */
const MESSAGE_COST = 64

type Plain = Record<string, unknown>

/** Bytes of a model; equal models give equal bytes: fields ascend by their place in the table. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const writer = new protobuf.Writer()
  writeMessage(writer, MODEL, model as unknown as Plain)
  return new Uint8Array(writer.finish())
}

/** Inverse of `encodeOnnx` for untrusted bytes, and for files of other programs. Never throws. */
export function decodeOnnx(bytes: Uint8Array): DecodedOnnx {
  if (bytes.length > FILE_BYTES_MAX) return { ok: false, error: `expected at most ${FILE_BYTES_MAX} bytes, received ${bytes.length}` }
  const reader = new protobuf.Reader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))
  try {
    const model = readMessage(reader, MODEL, bytes.length, { numbers: NUMBERS_MAX })
    return { ok: true, model: model as unknown as OnnxModel }
  } catch (error) {
    return { ok: false, error: `not an ONNX file: ${error instanceof Error ? error.message : 'malformed'}` }
  }
}

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

function wireOf({ kind }: Field): number {
  return kind === 'int' ? WIRE.varint : kind === 'float' ? WIRE.fixed32 : kind === 'double' ? WIRE.fixed64 : WIRE.bytes
}

function writeMessage(writer: protobuf.Writer, { fields }: Message, plain: Plain): void {
  for (const [name, field] of fields) {
    const value = plain[name]
    if (value === undefined) continue
    const wire = wireOf(field)
    if (!field.many) writeValue(writer.uint32((field.number << 3) | wire), field, value)
    else if (wire === WIRE.bytes) for (const one of value as unknown[]) writeValue(writer.uint32((field.number << 3) | wire), field, one)
    else if ((value as unknown[]).length > 0) {
      // Numbers are packed, as the newer of the two syntaxes has it; readers must take both.
      writer.uint32((field.number << 3) | WIRE.bytes).fork()
      for (const one of value as number[]) writeValue(writer, field, one)
      writer.ldelim()
    }
  }
}

function writeValue(writer: protobuf.Writer, { kind }: Field, value: unknown): void {
  if (kind === 'int') writer.int64(value as number)
  else if (kind === 'float') writer.float(value as number)
  else if (kind === 'double') writer.double(value as number)
  else if (kind === 'string') writer.string(value as string)
  else if (kind === 'bytes') writer.bytes(value as Uint8Array)
  else {
    writer.fork()
    writeMessage(writer, kind, value as Plain)
    writer.ldelim()
  }
}

function readMessage(reader: protobuf.Reader, message: Message, end: number, left: { numbers: number }): Plain {
  const plain: Plain = {}
  for (const [name, { many }] of message.fields) if (many) plain[name] = []
  while (reader.pos < end) {
    const tag = reader.uint32()
    const wire = tag & 7
    const entry = message.byNumber.get(tag >>> 3)
    if (!entry) {
      reader.skipType(wire)
      continue
    }
    const [name, field] = entry
    const expected = wireOf(field)
    const packed = field.many && expected !== WIRE.bytes && wire === WIRE.bytes
    if (wire !== expected && !packed) throw new RangeError(`field ${name}: expected wire type ${expected}, received ${wire}`)
    const until = packed ? endOf(reader, end) : reader.pos + 1
    while (reader.pos < until) {
      left.numbers -= expected === WIRE.bytes ? MESSAGE_COST : 1
      if (left.numbers < 0) throw new RangeError(`expected at most ${NUMBERS_MAX} numbers, or ${NUMBERS_MAX / MESSAGE_COST} messages`)
      const value = readValue(reader, field, end, left)
      if (field.many) (plain[name] as unknown[]).push(value)
      else plain[name] = value
    }
    if (packed && reader.pos !== until) throw new RangeError(`field ${name}: a number passes the end of its list`)
  }
  if (reader.pos !== end) throw new RangeError('a field passes the end of its message')
  return plain
}

function readValue(reader: protobuf.Reader, { kind }: Field, end: number, left: { numbers: number }): unknown {
  if (kind === 'int') return asNumber(reader.int64())
  if (kind === 'float') return reader.float()
  if (kind === 'double') return reader.double()
  const until = endOf(reader, end)
  if (typeof kind !== 'string') return readMessage(reader, kind, until, left)
  const bytes = reader.buf.subarray(reader.pos, until)
  reader.pos = until
  return kind === 'bytes' ? bytes : new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

/** Where the counted bytes that begin here end. */
function endOf(reader: protobuf.Reader, end: number): number {
  const until = reader.uint32() + reader.pos
  if (until > end) throw new RangeError('a field passes the end of its message')
  return until
}

/** 64-bit integers beyond 2^53 are rounded; they occur only as "to the end" of slices. */
function asNumber(value: number | protobuf.Long): number {
  return typeof value === 'number' ? value : Number(value.toString())
}
