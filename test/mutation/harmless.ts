// Changes that were looked at and change nothing that anybody could see: with each the reason. The line is named by its
// text, so that it may move.

export type Harmless = { file: string; line: string; change: string; why: string };

export const HARMLESS: readonly Harmless[] = [
  {
    file: 'src/domain/slip.ts',
    line: 'if (wrong === right) return false;',
    change: 'wrong === right → false',
    why: 'equal codes have no difference, and so neither one nor two',
  },
  {
    file: 'src/domain/slip.ts',
    line: 'const [short, long] = wrong.length < right.length ? [wrong, right] : [right, wrong];',
    change: '< → <=',
    why: 'codes of equal length were answered before',
  },
  {
    file: 'src/domain/slip.ts',
    line: 'if (long.length - short.length !== 1) return false;',
    change: 'long.length - short.length !== 1 → false',
    why: 'with one digit taken away the longer one still has another length',
  },
  {
    file: 'src/domain/slip.ts',
    line: 'if (first === undefined || second === undefined || more.length > 0) return false;',
    change: '|| → &&',
    why: 'what is not there does not stand behind what is',
  },
  {
    file: 'src/store/stored-json.ts',
    line: 'if (text === null) return null;',
    change: 'text === null → false',
    why: 'the JSON of nothing is nothing',
  },
  {
    file: 'src/sync/retries.ts',
    line: 'const whole = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(30, Math.max(0, attempts - 1)));',
    change: '30 → 31',
    why: 'from the ninth doubling on the longest pause counts; the bound only keeps the number finite',
  },
  {
    file: 'drivers/osdp/parser.ts',
    line: 'return this.#scan(this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]));',
    change: 'this.#held.length === 0 → false',
    why: 'nothing with the new bytes behind it is the new bytes, copied once more',
  },
  {
    file: 'drivers/osdp/parser.ts',
    line: "const frame = length === null ? 'bad_length' : decodeFrame(bytes.subarray(at, at + length), this.#maxBytes);",
    change: 'length === null → false',
    why: 'no bytes at all are no frame either, and what has no length is not counted',
  },
  {
    file: 'drivers/modbus/record.ts',
    line: 'if (((registers[i] ?? 0) & (this.#compared[i] ?? 0)) !== ((other[i] ?? 0) & (this.#compared[i] ?? 0)))',
    change: '0 → 1',
    why: 'a record has all its registers: none of them is missing',
  },
  {
    file: 'drivers/modbus/record.ts',
    line: 'return text.length > registers * 4 ? null : BigInt(`0x${text}`);',
    change: '4 → 5',
    why: 'a profile is taken only if there is place for every number of its format',
  },
  {
    file: 'drivers/modbus/record.ts',
    line: "return text.length > registers * 2 ? null : BigInt(`0x${Buffer.from(text, 'latin1').toString('hex')}`);",
    change: 'text.length > registers * 2 → false',
    why: 'a profile is taken only if there is place for every number of its format',
  },
];
