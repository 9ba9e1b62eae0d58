"""Forwards connections to a PostgreSQL that was built without lz4, and leaves the compression out of the statements.

The packages of other releases have no lz4, which the migrations name. Only the storage of texts differs: `COMPRESSION lz4` of a new column
is dropped, and a change of the compression sets the default statistics instead. Every replacement has the length of the original.

Usage: without_lz4.py SERVER_PORT LISTEN_PORT
"""

import asyncio
import struct
import sys

REPLACED = [(b"SET COMPRESSION lz4", b"SET STATISTICS   -1"), (b"COMPRESSION lz4", b" " * 15)]
# messages of a client that contain SQL
STATEMENTS = b"QP"
# a request for encryption is answered by one byte, and the start of the connection follows it
ENCRYPTION = {80877103, 80877104}


async def forward_requests(reader, writer):
    started = False
    while True:
        kind = b"" if not started else await reader.readexactly(1)
        head = await reader.readexactly(4)
        body = await reader.readexactly(struct.unpack("!I", head)[0] - 4)
        if not started:
            started = struct.unpack("!I", body[:4])[0] not in ENCRYPTION
        elif kind in STATEMENTS:
            for original, replacement in REPLACED:
                body = body.replace(original, replacement)
        writer.write(kind + head + body)
        await writer.drain()


async def forward_responses(reader, writer):
    while chunk := await reader.read(1 << 16):
        writer.write(chunk)
        await writer.drain()


async def connection(port, client_reader, client_writer):
    try:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        client_writer.close()
        return
    pumps = [
        asyncio.ensure_future(forward_requests(client_reader, server_writer)),
        asyncio.ensure_future(forward_responses(server_reader, client_writer)),
    ]
    # whichever side ends first ends both, as without a proxy
    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    for pump in pumps:
        pump.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)
    for writer in (server_writer, client_writer):
        writer.close()


async def main():
    server_port, port = int(sys.argv[1]), int(sys.argv[2])
    server = await asyncio.start_server(lambda *streams: connection(server_port, *streams), "127.0.0.1", port, backlog=400)
    await server.serve_forever()


asyncio.run(main())
