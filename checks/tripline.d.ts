// The types of the module "tripline", for editors.

/** What a check exports as `options`. */
export interface Options {
  name?: string;
  every?: string;
  cron?: string;
  timezone?: string;
  regions?: string[];
  timeout?: string;
  policy?: string;
  runbook?: string;
  labels?: Record<string, string>;
  enabled?: boolean;
}
