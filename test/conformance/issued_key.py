"""A second implementation of keys that an issuer signs (docs/mobile-keys.md): standard library alone, no line of Lintel's.

Reads one JSON object a line, writes one a line:
  {"verify": TOKEN, "public_key": POINT}  ->  what it says, or {"error": WHY}
  {"issue": {...}, "scalar": HEX}         ->  {"token": HEX}, signed by the key with that number
All bytes are hexadecimal. ECDSA is that of P-256 with SHA-256, its nonce that of RFC 6979.
"""

import hashlib
import hmac
import json
import sys

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
A = P - 3
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


# ---- P-256 ----------------------------------------------------------------------------------------------------------


def add(one, other):
    if one is None or other is None:
        return other if one is None else one
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    if one == other:
        slope = (3 * x1 * x1 + A) * pow(2 * y1, -1, P) % P
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P) % P
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def times(count, point):
    total = None
    while count:
        if count & 1:
            total = add(total, point)
        point = add(point, point)
        count >>= 1
    return total


def point_of(data):
    if len(data) != 65 or data[0] != 4:
        raise ValueError("no uncompressed point")
    x, y = int.from_bytes(data[1:33]), int.from_bytes(data[33:])
    if (y * y - x * x * x - A * x - B) % P:
        raise ValueError("off the curve")
    return x, y


def is_signed(point, message, signature):
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if len(signature) != 64 or not (0 < r < N and 0 < s < N):
        return False
    e = int.from_bytes(hashlib.sha256(message).digest())
    w = pow(s, -1, N)
    found = add(times(e * w % N, G), times(r * w % N, point))
    return found is not None and found[0] % N == r


def sign(scalar, message):
    digest = hashlib.sha256(message).digest()
    e = int.from_bytes(digest)
    seed = scalar.to_bytes(32) + (e % N).to_bytes(32)
    mac = lambda key, data: hmac.new(key, data, hashlib.sha256).digest()
    value, key = b"\x01" * 32, b"\x00" * 32
    for step in (b"\x00", b"\x01"):
        key = mac(key, value + step + seed)
        value = mac(key, value)
    while True:
        value = mac(key, value)
        nonce = int.from_bytes(value)
        if 0 < nonce < N:
            r = times(nonce, G)[0] % N
            s = pow(nonce, -1, N) * (e + r * scalar) % N
            if r and s:
                return r.to_bytes(32) + s.to_bytes(32)
        key = mac(key, value + b"\x00")
        value = mac(key, value)


# ---- CBOR, the deterministic encoding of RFC 8949 ----------------------------------------------------------------------


def head(kind, value):
    for size, code in ((0, None), (1, 24), (2, 25), (4, 26), (8, 27)):
        if size == 0 and value < 24:
            return bytes([kind << 5 | value])
        if size and value < 1 << 8 * size:
            return bytes([kind << 5 | code]) + value.to_bytes(size)
    raise ValueError("too large")


def encode(value):
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(encode(item) for item in value)
    pairs = sorted((encode(key), encode(item)) for key, item in value.items())
    return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)


def decode(data):
    value, rest = item_of(data)
    if rest or encode(value) != data:
        raise ValueError("not in the deterministic encoding")
    return value


def item_of(data):
    kind, value, rest = data[0] >> 5, data[0] & 31, data[1:]
    if value > 27:
        raise ValueError("not in the deterministic encoding")
    if value > 23:
        size = 1 << value - 24
        value, rest = int.from_bytes(rest[:size]), rest[size:]
    if kind == 0:
        return value, rest
    if kind == 1:
        return -1 - value, rest
    if kind in (2, 3):
        if len(rest) < value:
            raise ValueError("cut short")
        return (rest[:value] if kind == 2 else rest[:value].decode()), rest[value:]
    if kind not in (4, 5):
        raise ValueError("a kind of item that has no place here")
    items = []
    for _ in range(value * (kind - 3)):
        item, rest = item_of(rest)
        items.append(item)
    if kind == 4:
        return items, rest
    return dict(zip(items[::2], items[1::2], strict=True)), rest


# ---- COSE_Sign1 and the claims -----------------------------------------------------------------------------------------


def verify(token, public_key):
    header, unprotected, payload, signature = decode(token)
    fields = decode(header)
    if fields[1] != -7 or set(fields) != {1, 4} or unprotected != {}:
        raise ValueError("another header")
    if not is_signed(point_of(public_key), encode(["Signature1", header, b"", payload]), signature):
        raise ValueError("not signed by this key")
    claims = decode(payload)
    key = claims[8][1]
    if key[1] != 2 or key[-1] != 1:
        raise ValueError("the key is none of P-256")
    holder = b"\x04" + key[-2] + key[-3]
    point_of(holder)
    return {
        "key_id": fields[4].hex(),
        "acs_credential_id": claims[2].hex(),
        "acs_system_id": claims[3].hex(),
        "ends_at": claims[4],
        "starts_at": claims[5],
        "token_id": claims[7].hex(),
        "public_key": holder.hex(),
        "entrances": [entrance.hex() for entrance in claims[-70001]],
    }


def issue(stated, scalar):
    text = bytes.fromhex
    holder = text(stated["public_key"])
    payload = encode(
        {
            2: text(stated["acs_credential_id"]),
            3: text(stated["acs_system_id"]),
            4: stated["ends_at"],
            5: stated["starts_at"],
            7: text(stated["token_id"]),
            8: {1: {1: 2, -1: 1, -2: holder[1:33], -3: holder[33:]}},
            -70001: [text(entrance) for entrance in stated["entrances"]],
        }
    )
    header = encode({1: -7, 4: text(stated["key_id"])})
    return encode([header, {}, payload, sign(scalar, encode(["Signature1", header, b"", payload]))])


def answer(asked):
    try:
        if "verify" in asked:
            return verify(bytes.fromhex(asked["verify"]), bytes.fromhex(asked["public_key"]))
        return {"token": issue(asked["issue"], int(asked["scalar"], 16)).hex()}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return {"error": str(error)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
