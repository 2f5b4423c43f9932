import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  allowedEnvironment,
  credentialKind,
  gateEnvironment,
  isReserved,
  sessionEnvironment,
  withoutSecrets,
} from "./environment.ts";

const person = {
  PATH: "/bin",
  HOME: "/h",
  LANG: "C",
  LC_ALL: "C",
  TZ: "UTC",
  TERM: "xterm",
  HTTPS_PROXY: "p",
  no_proxy: "n",
  NODE_EXTRA_CA_CERTS: "c",
  SSL_CERT_FILE: "s",
  SSH_AUTH_SOCK: "/a",
  ANTHROPIC_API_KEY: "key",
  ANTHROPIC_AUTH_TOKEN: "token",
  ANTHROPIC_BASE_URL: "u",
  CLAUDE_CODE_OAUTH_TOKEN: "oauth",
  AWS_PROFILE: "aws",
  GOOGLE_CLOUD_PROJECT: "g",
  DATABASE_URL: "db",
  GITHUB_TOKEN: "t",
  NODE_OPTIONS: "--x",
  GIT_DIR: "/g",
  MUSTER_HOME: "/m",
  MUSTER_X: "x",
  CLAUDE_CODE_SSE_PORT: "1",
  LD_PRELOAD: "l",
};

describe("the allow-list", () => {
  test("lets through what design §9 lists, and names", () => {
    expect(Object.keys(allowedEnvironment(person, [])).toSorted()).toEqual([
      "ANTHROPIC_API_KEY",
      "ANTHROPIC_AUTH_TOKEN",
      "ANTHROPIC_BASE_URL",
      "CLAUDE_CODE_OAUTH_TOKEN",
      "HOME",
      "HTTPS_PROXY",
      "LANG",
      "LC_ALL",
      "NODE_EXTRA_CA_CERTS",
      "PATH",
      "SSH_AUTH_SOCK",
      "SSL_CERT_FILE",
      "TERM",
      "TZ",
      "no_proxy",
    ]);
    expect(allowedEnvironment(person, ["DATABASE_URL", "GONE"])).toMatchObject({
      DATABASE_URL: "db",
      SSH_AUTH_SOCK: "/a",
    });
  });

  test("a cloud provider's variables come only with the provider", () => {
    const bedrock = allowedEnvironment({ ...person, CLAUDE_CODE_USE_BEDROCK: "1" }, []);
    expect(bedrock).toMatchObject({ AWS_PROFILE: "aws", CLAUDE_CODE_USE_BEDROCK: "1" });
    expect(bedrock).not.toHaveProperty("GOOGLE_CLOUD_PROJECT");
    expect(allowedEnvironment({ ...person, CLAUDE_CODE_USE_BEDROCK: "0" }, [])).not.toHaveProperty(
      "AWS_PROFILE",
    );
  });

  test("MUSTER_ variables never pass, even named; an empty value does", () => {
    expect(allowedEnvironment({ ...person, LANG: "" }, ["MUSTER_X", "MUSTER_HOME"])).toMatchObject({
      LANG: "",
    });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), fc.array(fc.string()), (env, names) => {
        const full = { ...env, MUSTER_X: "x" };
        const allowed = allowedEnvironment(full, [...names, ...Object.keys(full)]);
        for (const name of Object.keys(allowed))
          expect(name).toMatch(/^(?!MUSTER_)[A-Za-z_][A-Za-z0-9_]*$/);
      }),
    );
  });
});

describe("the credential", () => {
  const auto = { auth: "auto" } as const;

  test("is found in the order of the design", () => {
    const env: Record<string, string> = {
      ANTHROPIC_API_KEY: "k",
      ANTHROPIC_AUTH_TOKEN: "t",
      CLAUDE_CODE_OAUTH_TOKEN: "o",
      CLAUDE_CODE_USE_VERTEX: "1",
    };
    const order = [];
    for (const name of [...Object.keys(env), ""]) {
      order.push(credentialKind(env, auto));
      delete env[name];
    }
    expect(order).toEqual(["api-key", "auth-token", "oauth-token", "cloud", "login"]);
  });

  test("that was asked for is the only one that counts", () => {
    expect(credentialKind(person, { auth: "login" })).toBe("login");
    expect(credentialKind(person, { auth: "oauth" })).toBe("oauth-token");
    expect(credentialKind(person, { auth: "cloud" })).toBe("none");
    expect(credentialKind({ ANTHROPIC_AUTH_TOKEN: "t" }, { auth: "api-key" })).toBe("auth-token");
    expect(credentialKind({}, { auth: "api-key" })).toBe("none");
  });

  test("is not an empty variable and not a switch that is off", () => {
    expect(
      credentialKind(
        { ANTHROPIC_API_KEY: " ", CLAUDE_CODE_OAUTH_TOKEN: "", CLAUDE_CODE_USE_BEDROCK: "false" },
        auto,
      ),
    ).toBe("login");
  });
});

const credentials = (env: Record<string, string>): string[] =>
  Object.keys(env)
    .filter((name) => /KEY|TOKEN|BEDROCK|AWS/.test(name))
    .toSorted();

describe("a session", () => {
  const none = { env: [], ssh: false };
  const allowed = allowedEnvironment({ ...person, CLAUDE_CODE_USE_BEDROCK: "1" }, []);
  const of = (kind: Parameters<typeof sessionEnvironment>[1]): string[] =>
    credentials(sessionEnvironment(allowed, kind, none).env);

  test("has the chosen credential and no other", () => {
    expect(of("api-key")).toEqual([]);
    expect(of("auth-token")).toEqual(["ANTHROPIC_AUTH_TOKEN"]);
    expect(of("oauth-token")).toEqual(["CLAUDE_CODE_OAUTH_TOKEN"]);
    expect(of("cloud")).toEqual(["AWS_PROFILE", "CLAUDE_CODE_USE_BEDROCK"]);
    expect(of("login")).toEqual([]);
  });

  test("gets its API key apart, in the environment only where it is named", () => {
    expect(sessionEnvironment(allowed, "api-key", none).apiKey).toBe("key");
    expect(sessionEnvironment(allowed, "login", none).apiKey).toBeNull();
    expect(
      sessionEnvironment(allowed, "api-key", { ...none, env: ["ANTHROPIC_API_KEY"] }).env,
    ).toHaveProperty("ANTHROPIC_API_KEY", "key");
  });
});

test("only muster's own git gets the keys that sign, unless the person says so", () => {
  const keys = { PATH: "/bin", SSH_AUTH_SOCK: "/a", GNUPGHOME: "/g" };
  const allowed = allowedEnvironment(keys, []);
  expect(allowed).toEqual(keys);
  const names = (env: readonly string[], ssh: boolean): string[] =>
    Object.keys(sessionEnvironment(allowed, "login", { env, ssh }).env);
  expect(names([], false)).toEqual(["PATH"]);
  expect(names([], true)).toEqual(["PATH", "SSH_AUTH_SOCK"]);
  expect(names(["GNUPGHOME"], false)).toEqual(["PATH", "GNUPGHOME"]);
  expect(gateEnvironment(allowed, [])).toEqual({ PATH: "/bin" });
});

test("a gate has no credential, whoever names it", () => {
  const names = [...Object.keys(person), "CLAUDE_CODE_USE_BEDROCK"];
  const allowed = allowedEnvironment({ ...person, CLAUDE_CODE_USE_BEDROCK: "1" }, names);
  expect(
    gateEnvironment(allowed, ["DATABASE_URL", "ANTHROPIC_API_KEY", "SSH_AUTH_SOCK", "AWS_PROFILE"]),
  ).toEqual({
    PATH: "/bin",
    HOME: "/h",
    LANG: "C",
    LC_ALL: "C",
    TZ: "UTC",
    TERM: "xterm",
    HTTPS_PROXY: "p",
    no_proxy: "n",
    NODE_EXTRA_CA_CERTS: "c",
    SSL_CERT_FILE: "s",
    DATABASE_URL: "db",
  });
});

test("what a repository may set is what nobody else decides", () => {
  expect(["NODE_ENV", "PORT", "DATABASE_URL", "CI"].filter(isReserved)).toEqual([]);
  expect(
    ["PATH", "LC_ALL", "GIT_SSH_COMMAND", "AWS_REGION", "DYLD_INSERT_LIBRARIES", "ALL_PROXY"].every(
      isReserved,
    ),
  ).toBe(true);
});

describe("what of an environment may be written down", () => {
  const config = { env: ["DATABASE_URL", "EDITOR_MODE"], ssh: false };
  const keep = (more: Readonly<Record<string, string>>, kind = "api-key" as const) =>
    withoutSecrets(
      allowedEnvironment({ PATH: "/bin", LC_ALL: "C", ...more }, config.env),
      kind,
      config,
    );

  test("is the plain part; the rest is named where a session or a gate gets it (F47)", () => {
    expect(
      keep({
        ANTHROPIC_API_KEY: "key",
        ANTHROPIC_AUTH_TOKEN: "token",
        ANTHROPIC_CUSTOM_HEADERS: "X-Key: secret",
        ANTHROPIC_MODEL: "m",
        ANTHROPIC_BASE_URL: "http://gateway",
        CLAUDE_CODE_USE_BEDROCK: "1",
        AWS_SECRET_ACCESS_KEY: "aws",
        DATABASE_URL: "db",
        SSH_AUTH_SOCK: "/agent",
      }),
    ).toEqual({
      env: {
        PATH: "/bin",
        LC_ALL: "C",
        ANTHROPIC_MODEL: "m",
        ANTHROPIC_BASE_URL: "http://gateway",
      },
      session: ["ANTHROPIC_API_KEY", "ANTHROPIC_CUSTOM_HEADERS", "DATABASE_URL"],
      gate: ["DATABASE_URL"],
    });
  });

  test.each([
    ["HTTPS_PROXY", "http://pat:secret@proxy"],
    ["http_proxy", "pat:secret@proxy:80"],
    ["ANTHROPIC_BASE_URL", "https://pat:secret@gateway"],
    ["ANTHROPIC_BASE_URL", "https://gateway/?key=secret"],
  ])("has no %s with a password in it (F47)", (name, value) => {
    expect(keep({ [name]: value })).toMatchObject({
      env: { PATH: "/bin", LC_ALL: "C" },
      session: [name],
    });
    expect(JSON.stringify(keep({ [name]: value }))).not.toContain("secret");
  });
});
