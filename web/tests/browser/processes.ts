// The processes of the installation under test, which tests stop, kill and start. ./dev browser started them, and stops them at its end.
import { spawn } from "node:child_process";
import { mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { required, SITE, until } from "./environment";

const PROGRAMS = { serve: ["aprendiz", "serve"], worker: ["aprendiz-worker"], fragile: ["aprendiz-worker"] } as const;
export type ProcessName = keyof typeof PROGRAMS;

const folder = (): string => required("APRENDIZ_PROCESSES");
const pidFile = (name: ProcessName): string => join(folder(), `${name}.pid`);

function processId(name: ProcessName): number {
  return Number(readFileSync(pidFile(name), "utf8"));
}

function isRunning(pid: number): boolean {
  try {
    // the state of a process that has ended and was not collected is Z
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${String(pid)}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Ends a process and waits until it is gone. */
export async function stop(name: ProcessName, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
  const pid = processId(name);
  process.kill(pid, signal);
  await until(`${name} has ended`, () => (isRunning(pid) ? undefined : true));
}

/** Starts a process that is not running, with the environment of the tests. */
export async function start(name: ProcessName, variables: Record<string, string> = {}): Promise<void> {
  const [program, ...args] = PROGRAMS[name];
  mkdirSync(join(folder(), name), { recursive: true });
  const log = openSync(join(folder(), `${name}.log`), "a");
  const child = spawn(join(required("APRENDIZ_BIN"), program), args, {
    env: { ...process.env, APRENDIZ_SCRATCH: join(folder(), name), ...variables },
    stdio: ["ignore", log, log],
    detached: true,
  });
  child.unref();
  writeFileSync(pidFile(name), `${String(child.pid)}\n`);
  if (name === "serve") await until("the server", async () => ((await isReady()) ? true : undefined));
}

async function isReady(): Promise<boolean> {
  return fetch(`${SITE}/readyz`).then(
    (response) => response.ok,
    () => false,
  );
}

/** Holds a worker, or its training, at a point such as `step 5`. The gate is a file in its scratch folder (crates/test-gate). */
export class Gate {
  private readonly file: string;

  constructor(
    private readonly name: ProcessName,
    private readonly point: string,
  ) {
    mkdirSync(join(folder(), name), { recursive: true });
    this.file = join(folder(), name, "gate");
    writeFileSync(`${this.file}.new`, `${point}\nreport\n`);
    renameSync(`${this.file}.new`, this.file);
  }

  /** Waits until a process stands at the gate. */
  async reached(): Promise<void> {
    await until(`a process at ${this.point}`, () => {
      const files = readdirSync(join(folder(), this.name)).filter((file) => file.startsWith("held-"));
      return files.some((file) => isRunning(Number(file.slice("held-".length)))) ? true : undefined;
    });
  }

  open(): void {
    rmSync(this.file, { force: true });
  }
}
