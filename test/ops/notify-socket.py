# Stands for systemd at the far end of NOTIFY_SOCKET: binds the datagram socket named by the argument and prints each notification as a JSON line, with the pid
# the kernel vouches for. A line `pause` on stdin stops the reading, `resume` goes on, the end of stdin ends it.
import json, socket, struct, sys, threading

path = sys.argv[1]
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
end.bind("\0" + path[1:] if path.startswith("@") else path)
reading = threading.Event()
reading.set()


def read():
    print(json.dumps({"bound": path}), flush=True)
    while True:
        reading.wait()
        data, ancillary, _, _ = end.recvmsg(65536, socket.CMSG_SPACE(12))
        pid = next((struct.unpack("iii", value)[0] for _, kind, value in ancillary if kind == socket.SCM_CREDENTIALS), 0)
        print(json.dumps({"pid": pid, "text": data.decode()}), flush=True)


threading.Thread(target=read, daemon=True).start()
for line in sys.stdin:
    reading.clear() if line.strip() == "pause" else reading.set()
