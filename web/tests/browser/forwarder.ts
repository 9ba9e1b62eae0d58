// A port that passes connections on to a service, until the test closes it.
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

export class Forwarder {
  private readonly target: URL;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;
  private open = true;

  constructor(target: string) {
    this.target = new URL(target);
    this.server = createServer((client) => {
      this.pass(client);
    });
  }

  /** The address of the service through this port. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const url = new URL(this.target);
    url.hostname = "127.0.0.1";
    url.port = String((this.server.address() as AddressInfo).port);
    // URL adds a slash, which is a part of the address for some clients
    return url.href.replace(/\/$/, "");
  }

  /** A closed port ends its connections, and new ones at once. */
  set isOpen(isOpen: boolean) {
    this.open = isOpen;
    if (!isOpen) for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.isOpen = false;
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(client: Socket): void {
    if (!this.open) {
      client.destroy();
      return;
    }
    const service = connect(Number(this.target.port), this.target.hostname);
    for (const socket of [client, service]) {
      this.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.sockets.delete(socket);
        client.destroy();
        service.destroy();
      });
    }
    client.pipe(service);
    service.pipe(client);
  }
}
