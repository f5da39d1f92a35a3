// What a dashboard is, by the types of Grafana itself, but as JSON has it: of an enum the value, not
// the name. tests/it/grafana.rs holds the files of dashboards/ against it.
import type {
  DataSourceRef,
  Dashboard as Whole,
  FieldConfigSource,
  FieldConfig,
  Panel as AnyPanel,
  VariableModel,
} from "@grafana/schema";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as timeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

type Open<T> = 0 extends 1 & T ? true : unknown extends T ? true : false;

type Written<T> = Open<T> extends true
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends (infer Item)[]
        ? Written<Item>[]
        : { [Key in keyof T]: Written<T[Key]> };

// A question in PromQL or Graphite's language. Their data sources are plugins with types of their own.
interface Target {
  refId: string;
  datasource: DataSourceRef;
  expr?: string;
  target?: string;
  legendFormat?: string;
  editorMode?: "code" | "builder";
  format?: "time_series" | "table" | "heatmap";
  instant?: boolean;
  range?: boolean;
  interval?: string;
}

type Panel<Kind, Options, Custom> = Written<
  Omit<AnyPanel, "type" | "options" | "fieldConfig" | "targets" | "datasource">
> & {
  id: number;
  type: Kind;
  title: string;
  datasource: DataSourceRef;
  targets: Target[];
  options: Written<Partial<Options>>;
  fieldConfig: Written<Omit<FieldConfigSource, "defaults">> & {
    defaults: Written<Omit<FieldConfig, "custom">> & { custom?: Written<Partial<Custom>> };
  };
};

export type Dashboard = Written<Omit<Whole, "panels" | "templating">> & {
  uid: string;
  // How a query for variables is shown in the list of them, which the types leave out.
  templating: { list: (Written<VariableModel> & { definition?: string })[] };
  panels: (
    | Panel<"stat", stat.Options, Record<never, never>>
    | Panel<"state-timeline", timeline.Options, timeline.FieldConfig>
    | Panel<"table", table.Options, table.FieldConfig>
    | Panel<"timeseries", timeseries.Options, timeseries.FieldConfig>
  )[];
};
