// Whether text in Bech32 (BIP 173), as age writes its keys, was copied without a mistake: its last six characters are a
// checksum over the rest.

const CHARACTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

/** `text`: in lower case, with this prefix before the separator `1`. */
export function isBech32(text: string, prefix: string): boolean {
  if (!text.startsWith(`${prefix}1`)) return false;
  const data = Array.from(text.slice(prefix.length + 1), (character) => CHARACTERS.indexOf(character));
  if (data.length < 6 || data.includes(-1)) return false;
  const head = Array.from(prefix, (character) => character.charCodeAt(0));
  return checksum([...head.map((code) => code >> 5), 0, ...head.map((code) => code & 31), ...data]) === 1;
}

function checksum(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    GENERATOR.forEach((term, i) => {
      if (((top >> i) & 1) === 1) sum ^= term;
    });
  }
  return sum;
}
