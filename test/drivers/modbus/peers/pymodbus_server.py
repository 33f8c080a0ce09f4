"""A Modbus server on pymodbus with plain memory: rtu DEVICE | tcp PORT | rtu-over-tcp PORT. Says "ready" once it serves."""

import asyncio
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer


def blocks():
    holding = [0] * 65536
    holding[0:3] = [0x4C4E, 0x0201, 1]
    return ModbusSlaveContext(
        co=ModbusSequentialDataBlock(0, [0] * 256),
        di=ModbusSequentialDataBlock(0, [0, 1, 0, 0, 0] + [0] * 251),
        hr=ModbusSequentialDataBlock(0, holding),
        ir=ModbusSequentialDataBlock(0, [0] * 1000),
        zero_mode=True,
    )


async def main(kind, where):
    context = ModbusServerContext(slaves={1: blocks()}, single=False)
    if kind == "rtu":
        server = ModbusSerialServer(context, framer=ModbusRtuFramer, port=where, baudrate=115200, timeout=0.005)
        await server.start()
    else:
        framer = ModbusSocketFramer if kind == "tcp" else ModbusRtuFramer
        server = ModbusTcpServer(context, framer=framer, address=("127.0.0.1", int(where)))
    serving = asyncio.ensure_future(server.serve_forever())
    await asyncio.sleep(0.2)
    print("ready", flush=True)
    await serving


asyncio.run(main(sys.argv[1], sys.argv[2]))
