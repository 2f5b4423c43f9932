import { describe, expect, it } from "vitest";
import { attemptId, seedFrom, shaPattern, slug, taskIdPattern, unique, uuidFrom } from "./ids.ts";

const seed = "12345678-9abc-4def-a000-111122223333";

describe("ids", () => {
  it("of attempts count on over the whole run", () => {
    expect(attemptId("run_20260801_x", 12)).toBe("att_20260801_x_12");
  });

  it("derive from a seed without colliding, and stay uuids", () => {
    const derived = [0, 1, 0xffff].flatMap((k) => [seedFrom(seed, k), uuidFrom(seed, k)]);
    expect(new Set(derived).size).toBe(derived.length);
    expect(seedFrom(seed, 10)).toBe("12345678-000a-4def-a000-111122223333");
    expect(uuidFrom(seed, 10)).toBe("12345678-9abc-4def-a000-11112222000a");
  });

  it("of commits are full ids in lower-case hex", () => {
    expect(shaPattern.test("a".repeat(40))).toBe(true);
    expect(shaPattern.test("a".repeat(64))).toBe(true);
    for (const other of ["a".repeat(39), "a".repeat(50), "A".repeat(40)])
      expect(shaPattern.test(other)).toBe(false);
  });
});

describe("a slug", () => {
  it.each([
    ["Add a token bucket!", "add-a-token-bucket"],
    ["  Über  größe ", "uber-gro-e"],
    ["…", "task"],
    ["", "task"],
  ])("of %j is %j", (text, id) => {
    expect(slug(text)).toBe(id);
    expect(slug(text)).toMatch(taskIdPattern);
  });

  it("is cut between words, and within one that is too long", () => {
    expect(slug("add a token bucket limiter to the server", 30)).toBe(
      "add-a-token-bucket-limiter-to",
    );
    expect(slug("x".repeat(40), 30)).toBe("x".repeat(30));
    expect(slug("exactly thirty characters long", 30)).toBe("exactly-thirty-characters-long");
  });
});

describe("a taken id", () => {
  it("is counted on, within the length that ids have", () => {
    expect(unique("api", new Set())).toBe("api");
    expect(unique("api", new Set(["api", "api-2"]))).toBe("api-3");
    const long = "x".repeat(61);
    expect(unique(long, new Set([long]))).toBe(`${"x".repeat(59)}-2`);
  });
});
