/**
 * Fault: the world said no. One error class for the whole house; a fault names the thing and the value in one line and ends
 * in a remedy that can be pasted. Outcomes the domain expects are returned as unions; broken assumptions are assertions.
 */

/** Exit code by fault code. 1 the work said no, 2 usage, 3 needs a person, 69 daemon unreachable, 75 try again later. */
export const exitCodes = {
  usage: 2,
  bad_plan: 2,
  bad_config: 2,
  not_found: 1,
  not_a_repository: 1,
  no_commits: 1,
  detached_head: 1,
  refused: 1,
  conflict: 1,
  gate_failed: 1,
  needs_person: 3,
  no_claude: 69,
  no_login: 69,
  no_space: 75,
  unwritable: 69,
  git_failed: 1,
  git_too_old: 69,
  unsupported: 69,
  daemon_unreachable: 69,
  version_mismatch: 75,
  locked: 75,
  damaged: 75,
  timed_out: 75,
  internal: 70,
} as const satisfies Record<string, number>;

export type FaultCode = keyof typeof exitCodes;

export interface FaultJson {
  readonly code: FaultCode;
  readonly message: string;
  readonly remedy: string | null;
  readonly more: readonly string[];
}

/**
 * An error meant for a person: `message` is one line without a period, `remedy` one line that ends in a command, `more` what else
 * is wrong at the same time, each as `message`.
 */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly remedy: string | null;
  readonly more: readonly string[];

  constructor(
    code: FaultCode,
    message: string,
    options: {
      readonly remedy?: string | null;
      readonly more?: readonly string[];
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy ?? null;
    this.more = options.more ?? [];
  }

  /** A Fault that came over a wire; a code that this version does not know is `internal`. */
  static of({ code, message, remedy, more }: FaultJson): Fault {
    return new Fault(code in exitCodes ? code : "internal", message, { remedy, more });
  }

  /** The wire form, the same over HTTP and under `--json`. */
  toJSON(): FaultJson {
    return { code: this.code, message: this.message, remedy: this.remedy, more: this.more };
  }
}

/** Throws an `internal` fault where `condition` is false: we are wrong, not the world. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Marks a case that the types exclude. */
export function never(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
