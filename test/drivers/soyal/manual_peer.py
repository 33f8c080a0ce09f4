"""A SOYAL controller of node 1 that knows nothing but examples of the vendor's manual: each known request, byte by byte, has one answer, and any other is refused.
Run as: manual_peer.py DEVICE. Prints each frame it was sent, in hexadecimal."""

import sys

import serial


def frame(*content: int) -> bytes:
    xor = 0xFF
    for byte in content:
        xor ^= byte
    total = (sum(content) + xor) & 0xFF
    return bytes([0x7E, len(content) + 2, *content, xor, total])


def reply(function: int, data: str = "") -> bytes:
    return frame(0x00, function, 0x01, *bytes.fromhex(data))


ACK = bytes.fromhex("7e05000401faff")
NACK = reply(0x05)
CLOCK = "0a160d06090c05" + "632701" + "0126"  # section 2.9: 9 December 2005, 13:22:10, firmware 6V3
ANSWERS = {
    "7e040124daff": reply(0x03, CLOCK),
    frame(0x01, 0x21, 0x00).hex(): reply(0x03, "62000010"),
    "7e050121825d01": reply(0x03, "62400010"),
    frame(0x01, 0x21, 0x84).hex(): reply(0x03, "62400010"),
    "7e0e018300010441ea4b04d202014d25": ACK,
    "7e0701870002017a05": reply(0x03, "0441ea4b04d2020b"),
    "7e040125db01": ACK,  # no event
    frame(0x01, 0x12, 0x00, 0x0B, 0x01).hex(): reply(0x02, "08"),
    frame(0x01, 0x12, 0x00, 0x12, 0x02).hex(): reply(0x02, "01f4"),
}
# What a driver reads to be sure of being in step: any part of EEPROM that holds no secret.
for length in range(1, 9):
    ANSWERS.setdefault(frame(0x01, 0x12, 0x00, 0x26, length).hex(), reply(0x02, "00" * length))


def main() -> None:
    port = serial.Serial(sys.argv[1], 9600, timeout=None)
    print("ready", flush=True)
    while True:
        if port.read(1) != b"\x7e":
            continue
        length = port.read(1)
        request = b"\x7e" + length + port.read(length[0])
        print(request.hex(), flush=True)
        port.write(ANSWERS.get(request.hex(), NACK))


main()
