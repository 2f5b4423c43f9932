/** The program behind `muster doctor` and `muster config explain`: it knows everybody, as the daemon does, but starts nothing. */
import { Fault } from "../core/fault.ts";
import { explainConfig } from "./explain.ts";
import { checkUp } from "./doctor.ts";

const asks = { doctor: checkUp, config: explainConfig } as const;

async function answer(what: string | undefined): Promise<object> {
  try {
    if (what !== "doctor" && what !== "config")
      throw new Fault("usage", `no question ${what ?? ""}, expected doctor or config`);
    return { answer: await asks[what]() };
  } catch (error) {
    const fault =
      error instanceof Fault ? error : new Fault("internal", String(error), { cause: error });
    return { error: fault.toJSON() };
  }
}

process.stdout.write(JSON.stringify(await answer(process.argv[2])));
process.exit(0);
