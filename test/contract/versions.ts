/** Which versions the contract is run against, of those that can be had. */
import { compareVersions } from "../../src/runner/binary.ts";

export const suites = ["claude-cli", "claude-sdk", "login"] as const;
export type Suite = (typeof suites)[number];

/** One version to run against. */
export interface Subject {
  /** Of the binary. */
  readonly claude: string;
  /** Of the SDK that brings the binary; null where the binary comes alone. */
  readonly sdk: string | null;
  /** Why it was chosen, such as `newest SDK`. */
  readonly why: readonly string[];
  readonly suites: readonly Suite[];
}

/** What there is, and what muster says that it supports. */
export interface Offer {
  readonly sdks: readonly string[];
  readonly claudes: readonly string[];
  /** The SDK that the lock pins. */
  readonly pinned: string;
  /** The SDK's peer range, as `>=0.3.295 <0.4`. */
  readonly peers: string;
  readonly oldest: string;
}

/**
 * The pinned SDK, the newest and the oldest one in the peer range, and the newest and the oldest binary that none of them brings.
 * An SDK `0.3.N` brings the binary `2.1.N`. Throws for a range of another shape, or where nothing is in it.
 */
export function chooseSubjects(offer: Offer): readonly Subject[] {
  const { pinned, peers, oldest } = offer;
  const [, from, below] = /^>=(\d+\.\d+\.\d+) <(\d+\.\d+)$/.exec(peers) ?? [];
  if (from === undefined || below === undefined)
    throw new Error(`the peer range is ${peers}, expected >=X.Y.Z <X.Y`);
  const sdks = sorted(offer.sdks).filter(
    (each) => compareVersions(each, from) >= 0 && compareVersions(each, below) < 0,
  );
  const claudes = sorted(offer.claudes).filter((each) => compareVersions(each, oldest) >= 0);
  const wanted: (readonly [string, string | null, string])[] = [
    [claudeOf(pinned), pinned, "pinned"],
    ...ends(sdks, "SDK").map(([sdk, why]) => [claudeOf(sdk), sdk, why] as const),
    ...ends(claudes, "claude").map(([claude, why]) => [claude, null, why] as const),
  ];
  const found = new Map<string, Subject>();
  for (const [claude, sdk, why] of wanted) {
    const before = found.get(claude);
    found.set(claude, {
      claude,
      sdk: before?.sdk ?? sdk,
      why: [...(before?.why ?? []), why],
      suites: (before?.sdk ?? sdk) === null ? ["claude-cli", "login"] : suites,
    });
  }
  return [...found.values()].toSorted((a, b) => compareVersions(a.claude, b.claude));
}

/** Releases only, oldest first. */
function sorted(versions: readonly string[]): readonly string[] {
  return versions.filter((each) => /^\d+\.\d+\.\d+$/.test(each)).toSorted(compareVersions);
}

function ends(versions: readonly string[], what: string): readonly (readonly [string, string])[] {
  const [first, last] = [versions[0], versions.at(-1)];
  if (first === undefined || last === undefined) throw new Error(`no supported ${what} is offered`);
  return [
    [last, `newest ${what}`],
    [first, `oldest ${what}`],
  ];
}

function claudeOf(sdk: string): string {
  return sdk.replace(/^\d+\.\d+/, "2.1");
}
