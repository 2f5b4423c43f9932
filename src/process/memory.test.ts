import { describe, expect, it } from "vitest";
import {
  parseAvailable,
  parseGroup,
  parseKills,
  parseLeft,
  parsePressure,
  preferAsVictim,
} from "./memory.ts";

describe("the count of kills", () => {
  it.each([
    ["/proc/vmstat", "pgfault 12\noom_kill 3\nnuma_hit 7\n"],
    ["memory.events", "low 0\nhigh 9\nmax 8\noom 7\noom_kill 3\noom_group_kill 1\n"],
    ["memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"],
  ])("is read from %s", (_, text) => {
    expect(parseKills(text)).toBe(3);
  });

  it("is unknown where there is none, and never another number", () => {
    expect(parseKills("oom_kill_disable 1\nunder_oom 0\n")).toBeNull();
    expect(parseKills("")).toBeNull();
  });
});

describe("the group of a process", () => {
  it("is v1's where memory is counted there, also beside others and beside v2", () => {
    expect(parseGroup("9:name=systemd:/x\n4:cpu,memory:/a/b\n0::/c\n")).toEqual([
      "/sys/fs/cgroup/memory/a/b",
      "/sys/fs/cgroup/memory",
    ]);
  });

  it("is v2's where it is the only one, with colons in its name", () => {
    expect(parseGroup("0::/user.slice/a:b.scope\n")).toEqual([
      "/sys/fs/cgroup/user.slice/a:b.scope",
      "/sys/fs/cgroup",
    ]);
  });

  it("is unknown in nonsense", () => {
    expect(parseGroup("nonsense\n3:cpuset:/\n")).toEqual([]);
  });
});

describe("free memory", () => {
  it("is what the machine has available", () => {
    expect(parseAvailable("MemTotal: 9 kB\nMemAvailable:   24110480 kB\n")).toBe(24110480 * 1024);
    expect(parseAvailable("MemTotal: 9 kB\n")).toBeNull();
  });

  it("is what a group's limit leaves, with the files that it can drop", () => {
    expect(parseLeft("1000\n", "900\n", "anon 700\ninactive_file 150\n")).toBe(250);
    const v1 = "inactive_file 1\ntotal_cache 9\ntotal_inactive_file 150\n";
    expect(parseLeft("1000\n", "900\n", v1)).toBe(250);
    expect(parseLeft("1000\n", "1200\n", "")).toBe(0);
  });

  it("knows no limit where there is none", () => {
    expect(parseLeft("max\n", "900\n", "")).toBeNull();
    expect(parseLeft("9223372036854771712\n", "900\n", "")).toBeNull();
  });
});

describe("pressure", () => {
  it("is the share of the last ten seconds in which nobody got on", () => {
    const text =
      "some avg10=48.00 avg60=1.00 avg300=0.00 total=9\nfull avg10=31.25 avg60=0.50 avg300=0.00 total=5\n";
    expect(parsePressure(text)).toBe(31.25);
    expect(parsePressure("")).toBeNull();
  });
});

describe("a process that is gone", () => {
  it("is preferred by nobody, and nothing fails", () => {
    expect(() => preferAsVictim(2 ** 30)).not.toThrow();
  });
});
