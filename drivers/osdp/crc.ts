// The two check characters of OSDP: CRC-16 (poly 0x1021, start 0x1D0F, not reflected, sent low byte first) and the
// 8-bit checksum that every reader must know.

const POLYNOMIAL = 0x1021;
const START = 0x1d0f;

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 8;
  for (let bit = 0; bit < 8; bit++)
    value = value & 0x8000 ? ((value << 1) ^ POLYNOMIAL) & 0xffff : (value << 1) & 0xffff;
  return value;
});

/** CRC-16 over `bytes[0..end)`. */
export function crc16(bytes: Uint8Array, end = bytes.length): number {
  let crc = START;
  for (let i = 0; i < end; i++) {
    crc = ((crc << 8) & 0xffff) ^ (TABLE[((crc >> 8) ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  }
  return crc;
}

/** Two's complement of the 8-bit sum over `bytes[0..end)`: with it the whole frame sums to 0. */
export function checksum8(bytes: Uint8Array, end = bytes.length): number {
  let sum = 0;
  for (let i = 0; i < end; i++) sum += bytes[i] ?? 0;
  return -sum & 0xff;
}
