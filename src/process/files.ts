/** Files as signals between processes: waiting for one to appear, following one as it grows. Events first, a slow poll behind. */
import {
  type FSWatcher,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  watch,
} from "node:fs";
import { join } from "node:path";

/** inotify can lose an event (queue overflow, a file system without it); a poll this often repairs that. */
const pollMs = 1_000;

/**
 * The first of `names` that exists in `dir`; undefined after `timeoutMs` or once `signal` aborts.
 */
export function awaitFile(
  dir: string,
  names: readonly string[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const found = (): string | undefined => names.find((name) => existsSync(join(dir, name)));
    const finish = (name: string | undefined): void => {
      clearTimeout(timer);
      clearInterval(poll);
      watcher?.close();
      signal?.removeEventListener("abort", onAbort);
      resolve(name);
    };
    const look = (): void => {
      const name = found();
      if (name !== undefined) finish(name);
    };
    const onAbort = (): void => finish(undefined);
    const timer = Number.isFinite(timeoutMs)
      ? setTimeout(() => finish(found()), timeoutMs)
      : undefined;
    const poll = setInterval(look, pollMs);
    const watcher = tryWatch(dir, look);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) finish(undefined);
    else look();
  });
}

function tryWatch(path: string, listener: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, listener);
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

export interface Follow {
  /** Reads everything that is there now, and resolves. */
  drain(): Promise<void>;
  stop(): void;
}

const chunkBytes = 256 * 1024;
/**
 * One buffer for all reads, which are synchronous; a read inside of a listener takes another one. With one for each file that is
 * followed, two thousand files one after another left 270 MB of freed pieces in the process (measured; 0 with this one).
 */
let spare: Buffer | undefined;
/** A message with its images has some megabytes; whoever writes a longer line wants our memory. */
const maxLineBytes = 64 * 1024 * 1024;

/**
 * Calls `onLine` for every whole line of a growing file from byte `from` on, with the byte behind it. Lines end at `\n` only
 * (JSON may hold U+2028). A torn last line is kept until it is whole; one over 64 MiB is passed over. The file may not exist yet.
 */
export function follow(
  path: string,
  from: number,
  onLine: (line: Buffer, end: number) => void,
): Follow {
  let fd: number | undefined;
  let position = from;
  let stopped = false;
  /** A listener may stop it in the middle of a chunk. */
  const cut = lineCutter((line, end) => {
    if (!stopped) onLine(line, end);
  });

  const read = (): void => {
    if (fd === undefined) {
      if (stopped || !existsSync(path)) return;
      fd = openSync(path, "r");
    }
    const buffer = spare ?? Buffer.alloc(chunkBytes);
    spare = undefined;
    try {
      while (fd !== undefined && fstatSync(fd).size > position) {
        const size = readSync(fd, buffer, 0, buffer.length, position);
        if (size === 0) return;
        position += size;
        cut(buffer.subarray(0, size), position);
      }
    } finally {
      spare = buffer;
    }
  };
  const dir = join(path, "..");
  const watcher = tryWatch(dir, read);
  const poll = setInterval(read, pollMs);
  read();
  return {
    async drain() {
      read();
    },
    stop() {
      watcher?.close();
      clearInterval(poll);
      stopped = true;
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

/** Takes bytes piece by piece, each with where it ends, and gives whole lines. A byte is looked at once, however long its line. */
function lineCutter(
  onLine: (line: Buffer, end: number) => void,
): (piece: Buffer, end: number) => void {
  let pieces: Buffer[] = [];
  let held = 0;
  return (piece, end) => {
    let start = 0;
    for (let newline = piece.indexOf(10); newline !== -1; newline = piece.indexOf(10, start)) {
      const last = piece.subarray(start, newline);
      start = newline + 1;
      const size = held + last.length;
      if (size > 0 && size <= maxLineBytes)
        onLine(Buffer.concat([...pieces, last]), end - (piece.length - start));
      pieces = [];
      held = 0;
    }
    held += piece.length - start;
    // The piece is read into again: what is kept is a copy.
    if (held <= maxLineBytes) pieces.push(Buffer.from(piece.subarray(start)));
    else pieces = [];
  };
}
