/** What a scenario is told. */
export interface PlayOptions {
  /** Fewer cases, where that saves time. */
  quick: boolean;
  say: (line: string) => void;
  /** Keeps logs and data at the end. */
  keep?: boolean | undefined;
}

/** What a scenario came to: seen from outside, in the provider's count, in the database and in storage. */
export interface Findings {
  /** Jobs that were asked for. */
  runs: number;
  /** Videos that the provider accepted. */
  creations: number;
  /** Videos beyond the first one of a job. */
  second: string[];
  /** Jobs that hold a video that was made for another one. */
  foreign: string[];
  /** Money that is held for what has ended. */
  holds: string[];
  budgets: string[];
  /** What should have come to an end by now, here or at the provider. */
  stuck: string[];
  /** What else the scenario promises, and the proof of the books. */
  other: string[];
}

/** One kind of misfortune, played against the real product. */
export interface Scenario {
  /** As `--scenario` names it. */
  name: string;
  /** One line for the help. */
  about: string;
  /** Also part of a quick run. */
  quick?: boolean;
  play(options: PlayOptions): Promise<Findings>;
}

export interface ScenarioResult {
  name: string;
  seconds: number;
  findings: Findings;
}

/** The kinds of finding that must not be, in the order of the table. */
export const KINDS = ['second', 'foreign', 'holds', 'budgets', 'stuck', 'other'] as const;

export function scenarioHolds({ findings }: ScenarioResult): boolean {
  return KINDS.every((kind) => findings[kind].length === 0);
}

/** Plays one of them and takes its time. */
export async function playScenario(scenario: Scenario, options: PlayOptions): Promise<ScenarioResult> {
  const startedAt = performance.now();
  const findings = await scenario.play(options);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  return { name: scenario.name, seconds, findings };
}
