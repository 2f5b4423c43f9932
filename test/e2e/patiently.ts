const lookMs = 50;

/** Asks until it is so; a daemon that does not answer is no answer. */
export async function patiently(
  ask: () => boolean | Promise<boolean>,
  timeoutMs: number,
  what: string,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!(await Promise.resolve(ask()).catch(() => false))) {
    if (performance.now() > until) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}
