// Generated from the Go types by go test ./internal/server -run TestTypeScript -update. Do not edit.

/** Role is what somebody may do. */
export type AccessRole = "ingest" | "reader" | "auditor" | "admin";

/** Count is a value, how often it was seen, and when. */
export interface ActorCount {
  value: string;
  count: number;
  /** zero if none of them tells its time */
  first: string;
  last: string;
}

/** Day is how much a user did on a day (UTC). */
export interface ActorDay {
  /** 2026-11-21 */
  day: string;
  requests: number;
  failures: number;
}

/** Grant is an access as RBAC granted it: by authorization.k8s.io/reason. */
export interface ActorGrant {
  /** RoleBinding prod/web-editors, ClusterRoleBinding cluster-admin; "" if the reason names none */
  binding: string;
  /** ClusterRole/edit */
  role: string;
  /** Group dev, User jane, ServiceAccount prod/default */
  to: string;
  /** where it is no binding: "node authorizer", system:masters, … */
  reason?: string;
  /** requests it allowed */
  count: number;
  /** and when */
  first?: string;
  last?: string;
  /** what for */
  verbs?: string[];
  resources?: string[];
  /** seen to be granted (in bodies of bindings), not seen used */
  unused?: boolean;
  /** of an unused one: cluster/position of the event that shows it */
  where?: string;
}

/** Profile is what is known of a user. */
export interface ActorProfile {
  user: string;
  /** a request counts once */
  events: number;
  /** code 400 and up */
  failures: number;
  forbidden: number;
  first?: string;
  last?: string;
  /** the peer's; claims of the client itself are not counted */
  addresses: ActorCount[];
  agents: ActorCount[];
  groups: ActorCount[];
  namespaces: ActorCount[];
  verbs: ActorCount[];
  resources: ActorCount[];
  codes: ActorCount[];
  /** whom it impersonated */
  actedAs: ActorCount[];
  /** who impersonated it */
  actedBy: ActorCount[];
  grants: ActorGrant[];
  days: ActorDay[];
  /** what this cannot tell */
  notes?: string[];
  /** users of similar names, if nothing is known of this one */
  near?: string[];
  coverage: Coverage;
}

/** Question asks about one user: user.username, or whoever acted as it. */
export interface ActorQuestion {
  /** user.username; sa:prod/default is short for system:serviceaccount:prod:default */
  user: string;
  since?: string;
  until?: string;
  clusters?: string[];
}

/** Role is the least role that covers what a user did. */
export interface ActorRole {
  user: string;
  /** that it covers */
  requests: number;
  /** Roles, ClusterRoles and their bindings, as kubectl apply takes them; "" if there is nothing to grant */
  yaml: string;
  notes?: string[];
  /** users of similar names, if nothing is known of this one */
  near?: string[];
  coverage: Coverage;
}

/** RoleQuestion asks for the least role that covers what a user did. */
export interface ActorRoleQuestion {
  /** user.username; sa:prod/default is short for system:serviceaccount:prod:default */
  user: string;
  since?: string;
  until?: string;
  clusters?: string[];
  /** cover what was forbidden too */
  denied?: boolean;
  /** and what Kubernetes grants to everybody */
  all?: boolean;
}

/** Kind is how a destination is spoken to. */
export type AlertKind = "alertmanager" | "webhook" | "slack" | "pagerduty" | "email" | "syslog" | "falco";

/** Outcome is the requestObject of an event in cluster annals: verb create, resource alerts.annals.dev. */
export interface AlertOutcome {
  /** of a message, that under which the destination got it */
  key: string;
  time: string;
  result: AlertResult;
  /** "silenced by …", or why it failed */
  reason?: string;
  destination: string;
  kind?: AlertKind;
  /** the worst of the findings */
  severity: DetectSeverity;
  group?: Record<string, string>;
  /** their IDs: 1,000 at most */
  findings: string[];
  /** how many there are */
  count: number;
  attempts?: number;
  /** the ID of the silence, or of the finding that mutes or was told before */
  by?: string;
}

/** Result is how it ended with some findings and a destination. */
export type AlertResult = "delivered" | "failed" | "silenced" | "inhibited" | "throttled" | "withdrawn";

/** Silence holds back what is told of some findings from Start to End. They are found and recorded all the same, and that they were not told, and why, is on record too. What came during a silence is not told after it. */
export interface AlertSilence {
  id: string;
  /** rule, cluster, namespace, user, name, severity: *, any text; all must match */
  match: Record<string, string>;
  owner: string;
  reason: string;
  /** now if nothing is said */
  start: string;
  end: string;
  made: string;
  /** who ended it before its time */
  by?: string;
}

/** Status is how a destination does. */
export interface AlertStatus {
  name: string;
  kind: AlertKind;
  /** that wait */
  messages: number;
  /** in them, and in groups whose time has not come */
  findings: number;
  /** messages, since the start */
  delivered: number;
  /** messages that were given up, since the start */
  failed: number;
  /** when a message was delivered last */
  last?: string;
  /** why the last attempt failed */
  error?: string;
  /** and since when they fail */
  since?: string;
  /** so many, of one message */
  attempts?: number;
}

/** AlertsEnd says how telling people fares. */
export interface AlertsEnd {
  returned: number;
  limitReached: boolean;
  complete: boolean;
  why?: string[];
  /** why nobody is told of anything at present */
  failing?: string;
  destinations: AlertStatus[];
}

/** AlertsQuestion asks who was told of what, the newest first. Items are AlertOutcome, the end is an AlertsEnd. */
export interface AlertsQuestion {
  since?: string;
  until?: string;
  /** an ID: only what was told of it */
  finding?: string;
  /** names of destinations */
  to?: string[];
  /** delivered, failed, silenced, … */
  results?: string[];
  /** default 100; 0: all */
  limit?: number;
}

/** Answer is what an answer to a named question ends with. */
export interface Answer {
  /** what ran; absent where the questions were listed */
  asked?: NamedAsked;
  coverage: Coverage;
  /** why questions that a user added are not there */
  trouble?: string;
}

/** AskQuestion asks a named question. Items are query.Event, or Group where the question counts; the end is an Answer. Without a name the items are named.Question. */
export interface AskQuestion {
  name?: string;
  params?: Record<string, string>;
  since?: string;
  until?: string;
  clusters?: string[];
  /** default 100; 0: all */
  limit?: number;
  /** of events; default summary */
  detail?: Detail;
  /** instead of a name: one that the server does not have */
  question?: NamedQuestion;
}

/** AttackEnd names the columns of the map. */
export interface AttackEnd {
  /** in ATT&CK's order */
  tactics: AttackTactic[];
  /** techniques with a rule */
  covered: number;
  /** techniques with a finding */
  fired: number;
  coverage: FindingsCover;
}

/** AttackQuestion asks what of ATT&CK is covered. Items are AttackTechnique, the end is an AttackEnd. */
export interface AttackQuestion {
  /** findings are counted in this range */
  since?: string;
  until?: string;
  clusters?: string[];
}

/** AttackRule is a rule that looks for a technique. */
export interface AttackRule {
  id: string;
  title: string;
  severity: DetectSeverity;
  findings: number;
}

/** AttackTactic is a column. */
export interface AttackTactic {
  /** credential-access */
  id: string;
  name: string;
}

/** AttackTechnique is a technique of ATT&CK and the rules that look for it. */
export interface AttackTechnique {
  /** T1552.007 */
  id: string;
  name?: string;
  /** credential-access, … */
  tactics: string[];
  /** why no audit event can show it */
  unseen?: string;
  rules: AttackRule[];
  /** in the range */
  findings: number;
  last?: string;
}

/** Level says how much of a request an event holds. */
export type AuditLevel = "None" | "Metadata" | "Request" | "RequestResponse";

/** Stage says how far the request had come. */
export type AuditStage = "RequestReceived" | "ResponseStarted" | "ResponseComplete" | "Panic";

/** BaselineEnd says why there is nothing, if there is nothing. */
export interface BaselineEnd {
  /** days on which somebody must have been active before anything is called unusual */
  needs: number;
  why?: string;
}

/** Habit is what an actor shows of a feature. */
export interface BaselineHabit {
  feature: string;
  /** most days first */
  values: BaselineShown[];
  more?: number;
}

/** Peak is a day's busiest hour. */
export interface BaselinePeak {
  day: string;
  changes: number;
}

/** Profile is what is usual for an actor, for people to read. */
export interface BaselineProfile {
  cluster: string;
  actor: string;
  /** of the actor's peers: people, service accounts, nodes, components */
  kind: string;
  peers: number;
  /** days on which it was active, of the last 64 */
  active: number;
  /** days that it must have been active on before anything is told */
  needs: number;
  from: string;
  until: string;
  habits: BaselineHabit[];
  /** by hour of the day (UTC): on how many days it was active */
  hours: number[];
  /** by day: the changes in its busiest hour */
  peaks?: BaselinePeak[];
  /** events of actors for whom there was no room */
  unkept?: number;
}

/** BaselineQuestion asks what is usual for a user. Items are baseline.Profile, one of each cluster that knows them. */
export interface BaselineQuestion {
  user: string;
  clusters?: string[];
}

/** Shown is a value, and when it was shown. */
export interface BaselineShown {
  value: string;
  days: number;
  first: string;
  last: string;
  /** how many peers have shown it */
  peers: number;
}

/** CheckpointQuestion asks for a signed tree head; the end is a Note. */
export interface CheckpointQuestion {
  /** empty: the only one that there is */
  cluster?: string;
}

/** ClusterCoverage is the run of positions, To excluded, that a snapshot of a cluster holds. To a reader with a scope it is a cluster that has events in it, and both are 0. */
export interface ClusterCoverage {
  name: string;
  from: number;
  to: number;
}

/** ClusterStatus is how one cluster is. */
export interface ClusterStatus {
  name: string;
  events: number;
  unsealed: number;
  /** no written checkpoint covers them */
  unsigned: number;
  lastEvent?: string;
  lastArrival?: string;
}

/** Coverage says what an answer is an answer about. An empty answer whose Coverage is not Complete is no empty answer. */
export interface Coverage {
  clusters: ClusterCoverage[];
  /** event time, included; zero: from the first */
  since?: string;
  /** event time, excluded; zero: to the last */
  until?: string;
  /** events in the parts of the ledger that the range touches */
  considered: number;
  /** events, or rows, given */
  returned: number;
  /** Of the events considered, those that a reader must know about. */
  salvaged: number;
  quarantined: number;
  truncated: number;
  conflicts: number;
  /** the answer is about the events that meet this predicate alone */
  scope?: string;
  /** requests' and responses' bodies were not looked at */
  withoutBodies?: boolean;
  /** there is more than was asked for */
  limitReached: boolean;
  /** but for the limit, nothing was left out */
  complete: boolean;
  /** what was, if not */
  why?: string[];
  /** how long the answer took */
  seconds: number;
}

/** Blocked is requests that a rule is about, and does not see. */
export interface CoverageBlocked {
  /** its index; -1: none matched */
  policyRule: number;
  line?: number;
  /** of the policy's rule */
  summary: string;
  cause: CoverageCause;
  /** at which they are recorded */
  level: AuditLevel;
  /** at which they would have to be */
  needs?: AuditLevel;
  /** of which one would have to be recorded */
  stages?: AuditStage[];
  /** of the rule's condition that is lost, where others are not */
  alternative?: string;
  /** "get, list secrets" */
  what: string[];
}

/** Cause is why requests are not seen. */
export type CoverageCause = "none" | "level" | "stage" | "blind";

/** CoverageEnd counts the verdicts. */
export interface CoverageEnd {
  rules: number;
  verdicts: Record<string, number>;
}

/** Part is a rule that a correlation is made of. */
export interface CoveragePart {
  rule: string;
  verdict: CoverageVerdict;
}

/** CoverageQuestion asks whether rules can fire under an audit policy. Items are coverage.Result, the end is a CoverageEnd. */
export interface CoverageQuestion {
  /** an audit.k8s.io/v1 Policy, as YAML */
  policy: string;
  /** of rules, or their names; none: all that are on */
  ids?: string[];
}

/** Result is what there is to say of one rule. */
export interface CoverageResult {
  /** its ID */
  rule: string;
  title: string;
  severity: DetectSeverity;
  file?: string;
  line?: number;
  verdict: CoverageVerdict;
  note?: string;
  /** what it does not see, and why */
  blocked?: CoverageBlocked[];
  /** of a rule that fires; without one it can only be said to be possible */
  witness?: CoverageWitness;
  /** that it needs for all that it is about */
  level?: AuditLevel;
  /** at which it can fire */
  stages?: AuditStage[];
  /** of a correlation: its rules */
  of?: CoveragePart[];
}

/** Verdict is what a policy lets a rule do. */
export type CoverageVerdict = "fires" | "partly" | "blind" | "cannot" | "never" | "beyond";

/** Witness is a request, and an event of it on which the rule fires. */
export interface CoverageWitness {
  /** in words */
  request: string;
  policyRule: number;
  level: AuditLevel;
  stage: AuditStage;
  event: unknown;
  cluster?: string;
}

/** CreateSilenceQuestion makes a silence; the end is a Silence. Its owner is whoever asks. */
export interface CreateSilenceQuestion {
  /** rule, cluster, namespace, user, name, severity: *, any text; all must match */
  match: Record<string, string>;
  reason: string;
  /** now if nothing is said */
  start?: string;
  end: string;
}

/** Detail is how much of each event a search gives back. */
export type Detail = "summary" | "whole" | "raw";

/** Comparison is gt, gte, lt, lte, eq or neq, and a number. */
export interface DetectComparison {
  op: string;
  n: number;
}

/** Correlation is a condition over the requests that other rules match, within a timespan and a group. */
export interface DetectCorrelation {
  kind: DetectCorrelationKind;
  /** IDs, in the order that temporal_ordered asks for; they may be correlations */
  rules: string[];
  groupBy?: string[];
  timespan: number;
  /** all must hold */
  compare?: DetectComparison[];
  /** whose values count; of value_count there may be several */
  field?: string;
  fields?: string[];
  /** of value_percentile */
  percent?: number;
  /** of temporal: which rules, if not all (extended conditions) */
  of?: DetectRuleExpr;
}

/** CorrelationKind is what a correlation asks of the requests in its window. */
export type DetectCorrelationKind = "event_count" | "value_count" | "temporal" | "temporal_ordered" | "value_sum" | "value_avg" | "value_percentile" | "value_median";

/** Language is what a rule was written in. */
export type DetectLanguage = "sigma" | "falco" | "search" | "annals";

/** Matched is a test of the rule that the event passed, and the values that made it pass. */
export interface DetectMatched {
  field: string;
  test: string;
  values?: string[];
}

/** Problem is something wrong with a file of rules, or with what a rule can find. Whatever else the file holds is used. */
export interface DetectProblem {
  file?: string;
  line?: number;
  /** its ID */
  rule?: string;
  /** "error": the rule is not used; "warning": it is, but part of it cannot work; "note" */
  kind: string;
  message: string;
}

/** RuleExpr is a condition over which rules have matched in the window. One of its members is set. */
export interface DetectRuleExpr {
  rule?: string;
  and?: DetectRuleExpr[];
  or?: DetectRuleExpr[];
  not?: DetectRuleExpr;
}

/** Severity is how bad what a rule finds is, in Sigma's terms. */
export type DetectSeverity = "informational" | "low" | "medium" | "high" | "critical";

/** Unusual says what is unusual, against what, and how unusual it is. */
export interface DetectUnusual {
  /** "peer", "verb and resource", "rate" */
  what: string;
  /** "203.0.113.9" */
  value: string;
  /** in words: "12 active days from 2026-11-01 to 2026-11-20; always from 10.0.0.0/16" */
  baseline: string;
  from: string;
  until: string;
  /** some values that are usual */
  usual?: string[];
  /** bits of surprise: -log2 of how likely it was */
  score: number;
}

/** Withdrawal says that a finding is no longer one, since an event came late that was part of its window. It is the requestObject of an event in cluster annals: verb delete, the same object. */
export interface DetectWithdrawal {
  id: string;
  /** the findings in its stead */
  by?: string[];
  reason: string;
  /** What the finding said, so that who reads only this knows what it is about. */
  rule?: string;
  version?: string;
  cluster?: string;
  namespace?: string;
  time?: string;
}

/** Error is why a question failed, in a form that survives the way to the command line. */
export interface Error {
  kind: Kind;
  message: string;
}

/** Event is one event of an answer as people are given it: where it stands, what everybody asks first, and on demand the event itself. */
export interface Event {
  cluster: string;
  position: number;
  origin: string;
  /** other origins by which the same event came */
  alsoFrom?: string[];
  received: string;
  marks?: string[];
  note?: string;
  /** when it was received, if the event has no time that can be read */
  time: string;
  auditID?: string;
  level?: string;
  stage?: string;
  verb?: string;
  user?: string;
  impersonatedUser?: string;
  apiGroup?: string;
  resource?: string;
  subresource?: string;
  namespace?: string;
  name?: string;
  code?: number;
  sourceIPs?: string[];
  userAgent?: string;
  requestURI?: string;
  decision?: string;
  reason?: string;
  /** seconds; absent where it is not known */
  latency?: number;
  /** what happened, in words */
  sentence: string;
  /** a v1 event; absent where the bytes hold none */
  event?: unknown;
  /** the bytes as the ledger keeps them; Event instead, for a reader without bodies */
  raw?: string;
}

/** EventDetail is one event, whole. */
export interface EventDetail {
  event: Event;
  seven: Seven;
  /** of the same request, this one included, the first first */
  stages: Event[];
  proof: ProofState;
  coverage: Coverage;
}

/** EventQuestion asks for one event, all stages of its request, and what it says: by cluster and position, or by audit ID. */
export interface EventQuestion {
  cluster?: string;
  position?: number;
  /** an audit ID */
  id?: string;
}

/** ExpireSilenceQuestion ends a silence; the end is a Silence. */
export interface ExpireSilenceQuestion {
  id: string;
}

/** ExportQuestion asks for all events of a range as a file, the oldest first. */
export interface ExportQuestion {
  query?: string;
  /** event time, included */
  since?: string;
  /** event time, excluded */
  until?: string;
  clusters?: string[];
  /** jsonl, which is the default, json, yaml, csv, parquet or raw */
  format?: string;
  /** zip, which is the default: the file with a manifest and checkpoints; none: the file alone */
  archive?: string;
}

/** Facet is the values of a field and how many events of a range have them, counted exactly. */
export interface Facet {
  field: string;
  values: Value[];
  /** values in all, absence not counted */
  distinct: number;
  /** there are more values than could be held: Distinct and Values are of the first that were met, whose counts are exact */
  atLeast?: boolean;
  /** events without the field */
  absent: number;
}

/** FacetsQuestion asks for counts by fields. Items are query.Facet, the end is a Coverage. */
export interface FacetsQuestion {
  query?: string;
  /** event time, included */
  since?: string;
  /** event time, excluded */
  until?: string;
  clusters?: string[];
  /** none: the twelve that matter most */
  fields?: string[];
  /** values of each; default 10 */
  limit?: number;
  /** the rarest first */
  rare?: boolean;
}

/** Field is a field of the search language. */
export interface Field {
  /** canonical: the event's own */
  name: string;
  aliases?: string[];
  kind: MatchKind;
  /** one sentence */
  about: string;
  /** where they are few and fixed */
  values?: string[];
  /** the name by which events can be counted by it */
  facet?: string;
}

/** FieldsQuestion asks for the fields of the search language. Items are Field. */
export interface FieldsQuestion {
}

/** FileFailure is a file that could not be read to its end. */
export interface FileFailure {
  path: string;
  error: string;
}

/** Finding is a rule that matched. Its event in cluster annals proves it. */
export interface Finding {
  /** 32 hexadecimal digits */
  id: string;
  rule: string;
  version: string;
  title: string;
  severity: DetectSeverity;
  techniques?: string[];
  tactics?: string[];
  tags?: string[];
  author?: string;
  cluster: string;
  /** of the request that made it true */
  time: string;
  /** of the first one, where there are several */
  from?: string;
  /** what they have in common, of a correlation */
  group?: Record<string, string>;
  /** of the events, ascending: 1,000 at most */
  positions: number[];
  /** how many requests there are */
  count: number;
  /** what was found, in words */
  summary: string;
  /** why, of the event that made it true */
  matched?: DetectMatched[];
  /** Who, from where, on what: of the event that made it true. */
  user?: string;
  as?: string;
  peer?: string;
  verb?: string;
  /** with its subresource: pods/exec */
  resource?: string;
  namespace?: string;
  name?: string;
  code?: number;
  /** of a finding against a baseline */
  unusual?: DetectUnusual;
  /** by which people call the rule: wildcard-role */
  ruleName?: string;
  /** of its event in cluster annals; auditors are told */
  position?: number;
  /** when that came to be; so, too */
  recorded?: string;
  /** it is no finding any more, since an event came late */
  withdrawn?: DetectWithdrawal;
}

/** FindingDetail is a finding with all that belongs to it. */
export interface FindingDetail {
  finding: Finding;
  /** as it is now; absent if there is no such rule any more, or not for whoever asks */
  rule?: RuleState;
  /** the rule was another when it found this */
  changed?: boolean;
  /** that caused it, the first first; 200 at most */
  events: Event[];
  /** how many there are besides */
  more?: number;
  /** of the finding's own event */
  proof: ProofState;
  /** that fit it at present */
  silences: AlertSilence[];
  /** who was told of it */
  alerts: AlertOutcome[];
  coverage: FindingsCover;
}

/** FindingGroup is findings that have the values of By in common. */
export interface FindingGroup {
  /** by member of By */
  values: Record<string, string>;
  /** of the latest */
  title?: string;
  /** of the latest */
  ruleName?: string;
  /** the worst */
  severity: DetectSeverity;
  count: number;
  first: string;
  last: string;
  /** the ID of the last one */
  latest: string;
  /** counts by time, from From of the end on */
  buckets: number[];
  techniques?: string[];
  /** the most frequent ones, where By does not say which */
  rules: Value[];
  /** the most frequent ones */
  users: Value[];
  /** the most frequent ones */
  namespaces: Value[];
}

/** FindingGroupsEnd is the frame of the groups' histograms. */
export interface FindingGroupsEnd {
  from?: string;
  /** seconds */
  step: number;
  findings: number;
  groups: number;
  /** how many findings of each, the worst first */
  severities: Value[];
  coverage: FindingsCover;
}

/** FindingGroupsQuestion asks for findings in groups, the worst first, then the most. Items are FindingGroup, the end is a FindingGroupsEnd. */
export interface FindingGroupsQuestion {
  /** over who did what, and the finding as requestObject: user:jane requestObject.rule:x "words" */
  query?: string;
  /** the time of the request that made it true, included */
  since?: string;
  /** excluded */
  until?: string;
  clusters?: string[];
  /** IDs, or names */
  rules?: string[];
  /** this or worse */
  severity?: DetectSeverity;
  /** as themselves, or acting as another */
  users?: string[];
  namespaces?: string[];
  /** T1552 is T1552.007, too */
  techniques?: string[];
  /** rule (which it is if nothing is said), cluster, namespace, user, severity, technique */
  by?: string[];
  /** of each group's histogram; default 24 */
  buckets?: number;
  /** groups; default 100 */
  limit?: number;
}

/** FindingQuestion asks for one finding; the end is a FindingDetail. */
export interface FindingQuestion {
  /** or its beginning, if no other begins so */
  id: string;
}

/** FindingsCover says what an answer about findings covers. */
export interface FindingsCover {
  since?: string;
  until?: string;
  returned: number;
  /** that are on */
  rules: number;
  /** how far each cluster is watched */
  watched: Watched[];
  /** only findings all of whose events meet this */
  scope?: string;
  withoutBodies?: boolean;
  limitReached: boolean;
  /** with a limit that was reached: the after of what is behind */
  next?: string;
  /** all events that there are were looked at, and all findings */
  complete: boolean;
  why?: string[];
  seconds: number;
}

/** FindingsQuestion asks for findings, the newest first. Items are Finding, the end is a FindingsCover. */
export interface FindingsQuestion {
  /** over who did what, and the finding as requestObject: user:jane requestObject.rule:x "words" */
  query?: string;
  /** the time of the request that made it true, included */
  since?: string;
  /** excluded */
  until?: string;
  clusters?: string[];
  /** IDs, or names */
  rules?: string[];
  /** this or worse */
  severity?: DetectSeverity;
  /** as themselves, or acting as another */
  users?: string[];
  namespaces?: string[];
  /** T1552 is T1552.007, too */
  techniques?: string[];
  /** default 100; 0: all */
  limit?: number;
  /** a finding's ID: only those behind it */
  after?: string;
  /** those that were taken back, too */
  withdrawn?: boolean;
}

/** FindingsTailQuestion asks for the newest findings and then for each as it is found. Items are Finding; the end never comes. */
export interface FindingsTailQuestion {
  /** over who did what, and the finding as requestObject: user:jane requestObject.rule:x "words" */
  query?: string;
  /** the time of the request that made it true, included */
  since?: string;
  /** excluded */
  until?: string;
  clusters?: string[];
  /** IDs, or names */
  rules?: string[];
  /** this or worse */
  severity?: DetectSeverity;
  /** as themselves, or acting as another */
  users?: string[];
  namespaces?: string[];
  /** T1552 is T1552.007, too */
  techniques?: string[];
  /** how many of those that are there already; default 10 */
  limit?: number;
}

/** Followed is a file that is being followed. */
export interface Followed {
  cluster: string;
  path: string;
  /** bytes */
  behind: number;
}

/** Group is how many events have these values of several fields. */
export interface Group {
  /** "" where a field is absent */
  values: string[];
  count: number;
}

/** HitRow is a bucket of a series as a row of a table. */
export interface HitRow {
  /** its start */
  time: string;
  value: string;
  count: number;
}

/** HitSeries is the counts of one value. */
export interface HitSeries {
  /** "" where the field is absent */
  value: string;
  others?: boolean;
  total: number;
  /** one for each bucket from From to To */
  counts: number[];
}

/** Hits is a histogram of a whole range, counted exactly: every event of the range is in one bucket of one series. */
export interface Hits {
  /** of the first bucket */
  from: string;
  /** end of the last */
  to: string;
  /** seconds */
  step: number;
  total: number;
  /** the field that the series are values of */
  by?: string;
  /** the most frequent first; the last may be the others together */
  series: HitSeries[];
  coverage: Coverage;
  /** if Total is 0 */
  nearest?: Nearest;
}

/** HitsQuestion asks for a histogram; the end is a query.Hits. Items are HitRow, if asked for. */
export interface HitsQuestion {
  query?: string;
  /** event time, included */
  since?: string;
  /** event time, excluded */
  until?: string;
  clusters?: string[];
  /** about how many; default 60 */
  buckets?: number;
  /** seconds; instead of Buckets */
  step?: number;
  /** a field; "": one series. Also code-class: 2xx, 3xx, 4xx, 5xx */
  by?: string;
  /** series before the others; default 5 */
  top?: number;
  /** give an item for each bucket of each series that is not empty, for tables */
  rows?: boolean;
}

/** HuntEnd is what a hunt came to. */
export interface HuntEnd {
  /** that were run */
  rules: number;
  /** all of them, those behind the limit too */
  findings: number;
  problems: DetectProblem[];
  coverage: Coverage;
}

/** HuntQuestion runs rules over what happened: items are Finding as they are found, the end is a HuntEnd. Nothing is recorded of them but that it was asked. */
export interface HuntQuestion {
  /** of rules that there are */
  ids?: string[];
  /** or rules as a file has them, in any language */
  text?: string;
  since?: string;
  until?: string;
  clusters?: string[];
  /** findings; default 1,000 */
  limit?: number;
}

/** ImportEnd is what an import came to. */
export interface ImportEnd {
  /** but for its Failed */
  summary: SourceSummary;
  failed: FileFailure[];
}

/** ImportQuestion asks the server to read files. Items are source.Progress, the end is an ImportEnd. */
export interface ImportQuestion {
  cluster: string;
  /** absolute; empty: the body goes on with one file's content */
  paths: string[];
  /** of the file whose content it is, for the events' origin: import/NAME */
  name?: string;
  again?: boolean;
}

/** Kind is a sort of failure; each has an exit code of its own. */
export type Kind = "failed" | "usage" | "tampered" | "missing" | "signature" | "unverifiable" | "signin" | "forbidden" | "notfound" | "method" | "busy" | "limit" | "unavailable";

/** Finding is one thing that Verify holds against the ledger: what, and where. */
export interface LedgerFinding {
  kind: LedgerFindingKind;
  cluster?: string;
  /** a file, or positions */
  where: string;
  what: string;
}

/** FindingKind is what is wrong, in the order of how bad it is. */
export type LedgerFindingKind = "tampered" | "missing" | "bad signature" | "unverifiable";

/** LedgerQuestion asks how the record is. Items are LedgerState. */
export interface LedgerQuestion {
}

/** Report is what Verify found and what it covered. */
export interface LedgerReport {
  findings: LedgerFinding[];
  clusters: LedgerVerifiedRange[];
  /** things to know that are no fault, such as a torn tail that was kept */
  notes?: string[];
}

/** LedgerState is how one cluster's record is. For a scoped reader the figures are absent. */
export interface LedgerState {
  cluster: string;
  events?: number;
  lastEvent?: string;
  lastArrival?: string;
  proof: ProofState;
}

/** VerifiedRange is what was checked of a cluster. */
export interface LedgerVerifiedRange {
  cluster: string;
  /** events in the ledger */
  size: number;
  /** events whose bytes were read and held against the tree */
  checked: number;
  from: number;
  /** the positions checked: from From up to but without To */
  to: number;
  root: string;
  /** size that the signed checkpoint covers */
  checkpoint: number;
  against?: number;
}

/** Manifest tells what an export holds. */
export interface Manifest {
  /** 1 */
  manifest: number;
  file: string;
  events: number;
  bytes: number;
  /** of the file */
  sha256: string;
  complete: boolean;
  /** as it ran */
  query: string;
  since?: string;
  until?: string;
  clusters: string[];
  coverage: Coverage;
  /** who exported it */
  by: string;
  role: string;
  scope?: string;
  bodies: boolean;
  at: string;
  version: string;
  /** of the ledger */
  publicKey: string;
  /** files beside this one: signed notes over all events of a cluster */
  checkpoints?: string[];
}

/** Kind is what sort of values a field has. */
export type MatchKind = "text" | "number" | "time" | "duration" | "network" | "list" | "object" | "mark";

/** Me is who asks. */
export interface Me {
  name: string;
  /** reader, auditor, admin */
  role: string;
  scope?: string;
  bodies: boolean;
  expires?: string;
  /** a demo: nobody signed in */
  anonymous?: boolean;
  canSQL: boolean;
  canProve: boolean;
  canVerify: boolean;
  canImport: boolean;
  canTokens: boolean;
  version: string;
  /** that there are, for this reader */
  clusters: string[];
}

/** MeQuestion asks who asks. */
export interface MeQuestion {
}

/** Asked is a question with its parameters put in: what runs. */
export interface NamedAsked {
  question: NamedQuestion;
  params?: Record<string, string>;
  /** the search as it runs */
  search: string;
}

/** Parameter is what a question leaves open. */
export interface NamedParameter {
  name: string;
  about: string;
  type: NamedType;
  default?: string;
  /** a condition with the parameter in it, that the search gets only if a value is given */
  term?: string;
}

/** Question is one of them, as the YAML has it. */
export interface NamedQuestion {
  /** secrets-read */
  name: string;
  /** Who read secrets? */
  title: string;
  /** what the answer means, what it does not show, what to look at next */
  about: string;
  /** Access, Sessions, Changes, …: how lists are cut */
  group: string;
  /** with {parameter} in it */
  search: string;
  params?: NamedParameter[];
  /** count by these fields instead of listing events */
  by?: string[];
  /** time (newest first) or latency (slowest first) */
  sort?: string;
  /** which audit level the answer needs: Metadata, Request, RequestResponse */
  needs?: string;
  /** where nobody says which: of these, instead of all but annals */
  clusters?: string[];
  /** that a user added it with */
  file?: string;
}

/** Type is what a parameter's values are, and how they stand in a search. */
export type NamedType = "text" | "user" | "namespace" | "object" | "networks" | "hours" | "days" | "number" | "duration" | "query";

/** Nearest is where the closest matches outside an empty range lie. */
export interface Nearest {
  before?: string;
  after?: string;
}

/** Neighbours are the events around one: of the same actor, of the same object, or of the same time. */
export interface Neighbours {
  by: string;
  /** what finds them all */
  search: string;
  /** the nearest last */
  before: Event[];
  /** the nearest first */
  after: Event[];
  coverage: Coverage;
}

/** NeighboursQuestion asks for the events around one; the end is a query.Neighbours. */
export interface NeighboursQuestion {
  cluster: string;
  position: number;
  /** actor, object or time */
  by: string;
  /** on each side; default 5 */
  limit?: number;
}

/** NewToken is a token that was made. Its text is told this once. */
export interface NewToken {
  text: string;
  token: TokenInfo;
}

/** Note is a signed note. */
export interface Note {
  cluster: string;
  text: string;
}

/** nothing is the item of an answer that has none. */
export type Nothing = Record<string, never>;

/** Blamed is the newest known state of an object, each line with the version that last set it. */
export interface ObjectBlamed {
  ref: ObjectRef;
  at: ObjectVersion;
  lines: ObjectLine[];
  /** those that the lines name, without Object */
  versions: ObjectVersion[];
  notes?: string[];
  coverage: Coverage;
}

/** Change is one field that differs from the version before. Values are JSON; absent ones are "". */
export interface ObjectChange {
  /** spec.containers[name=web].image */
  path: string;
  before?: string;
  after?: string;
  /** what it was is not known */
  beforeUnknown?: boolean;
  /** a value is long: here is a string of its beginning; a Diff has all of it */
  cut?: boolean;
}

/** DiffQuestion asks what differs between two versions of an object. */
export interface ObjectDiffQuestion {
  /** empty: the only one that has it */
  cluster?: string;
  resource: string;
  apiGroup?: string;
  namespace?: string;
  name: string;
  since?: string;
  until?: string;
  /** show metadata.managedFields */
  managedFields?: boolean;
  /** show status, and versions that changed nothing else */
  status?: boolean;
  /** versions seen in answers to get and list count as observations */
  reads?: boolean;
  /** the newest so many versions; default 500 */
  limit?: number;
  /** 0: the one before To */
  from?: number;
  /** 0: the newest of which something is known */
  to?: number;
}

/** Difference is what changed between two versions. */
export interface ObjectDifference {
  from: ObjectVersion;
  to: ObjectVersion;
  changes: ObjectChange[];
  /** all of both */
  lines: ObjectLine[];
  notes?: string[];
  coverage: Coverage;
}

/** Known says how much of a version is known. */
export type ObjectKnown = "observed" | "derived" | "partial" | "unknown" | "gone";

/** Life is an object's history. */
export interface ObjectLife {
  ref: ObjectRef;
  /** the oldest first */
  versions: ObjectVersion[];
  /** what was left out, and why nothing was found */
  notes?: string[];
  coverage: Coverage;
}

/** Line is a line of a diff, or of a blame. */
export interface ObjectLine {
  /** " ", "+", "-"; of a blame " "; and "?" where what was not observed may stand */
  op: string;
  /** YAML, without the newline */
  text: string;
  /** its number in the version before; 0: not there */
  before?: number;
  /** and after */
  after?: number;
  /** blame: who last set it: the version's Number; 0: before the first that was seen */
  version?: number;
}

/** Question asks about one object. */
export interface ObjectQuestion {
  /** empty: the only one that has it */
  cluster?: string;
  resource: string;
  apiGroup?: string;
  namespace?: string;
  name: string;
  since?: string;
  until?: string;
  /** show metadata.managedFields */
  managedFields?: boolean;
  /** show status, and versions that changed nothing else */
  status?: boolean;
  /** versions seen in answers to get and list count as observations */
  reads?: boolean;
  /** the newest so many versions; default 500 */
  limit?: number;
}

/** Ref names an object, or what a person calls it: Resource may be a plural, a singular, a short name (deploy) or a kind (Deployment), with a group behind it if need be (deploy.apps). */
export interface ObjectRef {
  /** empty: the only one that has it */
  cluster?: string;
  resource: string;
  apiGroup?: string;
  namespace?: string;
  name: string;
}

/** Version is one state of the object and the event that made it. */
export interface ObjectVersion {
  /** 1, 2, … the oldest seen first */
  number: number;
  known: ObjectKnown;
  /** why it is not observed */
  why?: string;
  time: string;
  resourceVersion?: string;
  /** another UID is another object of the same name */
  uid?: string;
  /** in words: "spec.replicas 3 → 5, and 2 more" */
  summary: string;
  changes?: ObjectChange[];
  /** between this version and the one before there was one that nobody saw */
  missed?: boolean;
  event: Event;
  /** YAML; "" if nothing of it is known */
  object?: string;
}

/** Overview is what the first screen says about a range; all of it within what the reader may see. */
export interface Overview {
  events: number;
  failures: number;
  actors: Value[];
  /** reads of secrets */
  secrets: number;
  /** exec, attach, port-forward */
  sessions: number;
  /** forbidden or not let in */
  denied: number;
  deletions: number;
  /** changes of roles and bindings */
  privileges: number;
  /** users by refused requests */
  failing: Value[];
  ledger: LedgerState[];
  coverage: Coverage;
}

/** OverviewQuestion asks what happened in a range. */
export interface OverviewQuestion {
  query?: string;
  /** event time, included */
  since?: string;
  /** event time, excluded */
  until?: string;
  clusters?: string[];
}

/** Proof is the file that annals verify checks. */
export interface Proof {
  cluster: string;
  position: number;
  /** events with this ID; the one proven is the last */
  stages: number;
  file: string;
}

/** ProofState says what proves an event at present. */
export interface ProofState {
  /** a signed checkpoint covers it */
  signed: boolean;
  /** how many events that covers */
  checkpoint: number;
  /** when it was written */
  at?: string;
  /** when the whole cluster was last held against its signatures */
  verified?: string;
  /** of that: ok, or what was wrong */
  verdict?: string;
  /** that checks the signature */
  publicKey?: string;
}

/** ProveQuestion asks for the proof of an event; the end is a Proof. */
export interface ProveQuestion {
  /** an audit ID, or a position */
  id: string;
  /** empty: whichever has it */
  cluster?: string;
}

/** RemoveRuleQuestion removes a search that was saved as a rule. */
export interface RemoveRuleQuestion {
  id: string;
}

/** RevokeQuestion asks to end a token; the end is empty. */
export interface RevokeQuestion {
  id: string;
}

/** RuleQuestion asks for one rule; the end is a RuleState with its text. */
export interface RuleQuestion {
  /** findings are counted in this range */
  since?: string;
  until?: string;
  clusters?: string[];
  id: string;
}

/** RuleState is a rule, and what became of it. */
export interface RuleState {
  /** of Sigma its id, else what identifies it among all: "falco/Attach Exec Pod" */
  id: string;
  name?: string;
  title: string;
  /** 12 hexadecimal digits: a hash of the rule and of all that decides what it finds (macros, lists, filters, the rules of a correlation) */
  version: string;
  language: DetectLanguage;
  severity: DetectSeverity;
  /** why it is worth knowing */
  about?: string;
  status?: string;
  author?: string;
  license?: string;
  references?: string[];
  falsePositives?: string[];
  /** ATT&CK: T1611, T1552.007 */
  techniques?: string[];
  /** ATT&CK: privilege-escalation */
  tactics?: string[];
  tags?: string[];
  /** where it stands; "builtin/…" for ours */
  file?: string;
  line?: number;
  /** as it was written */
  text?: string;
  correlation?: DetectCorrelation;
  /** it reports nothing itself: correlations use it */
  silent?: boolean;
  /** it names the cluster annals; others do not look at its events */
  own?: boolean;
  /** what people call it: wildcard-role */
  ruleName: string;
  on: boolean;
  /** it comes with Annals */
  builtin?: boolean;
  /** it is a search that was saved here, and can be changed and removed */
  saved?: boolean;
  /** which events it is about, in one fixed form */
  predicate?: string;
  /** what it finds, in words */
  words?: string;
  /** of a saved search: the query */
  search?: string;
  problems?: DetectProblem[];
  /** in the range */
  findings: number;
  /** of those */
  last?: string;
}

/** RulesEnd says what the rules are as a whole. */
export interface RulesEnd {
  /** that are on */
  rules: number;
  /** when they were read */
  loaded?: string;
  /** why they could not be read anew: those of before are still used */
  trouble?: string;
  /** those of no rule that is used */
  problems: DetectProblem[];
  /** of the findings that are counted */
  coverage: FindingsCover;
}

/** RulesQuestion asks for the rules. Items are RuleState, the end is a RulesEnd. */
export interface RulesQuestion {
  /** findings are counted in this range */
  since?: string;
  until?: string;
  clusters?: string[];
}

/** SQLColumn is a column of a statement's answer; Type is DuckDB's name for it. */
export interface SQLColumn {
  name: string;
  type: string;
}

/** SQLItem is either the columns or a row. */
export interface SQLItem {
  columns?: SQLColumn[];
  row?: unknown[];
}

/** SQLQuestion asks for the answer to a statement: an item with Columns, then items with a Row, then a Coverage. */
export interface SQLQuestion {
  statement: string;
  clusters?: string[];
}

/** SaveRuleQuestion saves a search as a rule, or another in the place of one that was saved; the end is a RuleState. */
export interface SaveRuleQuestion {
  /** of the one that it takes the place of */
  id?: string;
  title: string;
  search: string;
  severity: DetectSeverity;
  about?: string;
  techniques?: string[];
  tactics?: string[];
}

/** SearchQuestion asks for events. The answer's items are Rows, its end a Coverage. */
export interface SearchQuestion {
  query: string;
  /** event time, included */
  since?: string;
  /** event time, excluded */
  until?: string;
  clusters?: string[];
  /** 0: none */
  limit?: number;
  follow?: boolean;
  /** default summary */
  detail?: Detail;
  /** newest, which is the default, or oldest: which come first */
  order?: string;
  /** time, which is the default, or latency: the slowest first, of which there are 10,000 at most */
  sort?: string;
  /** TIME,CLUSTER,POSITION of an event: only those behind it, in this order */
  after?: string;
}

/** Session is one session, or the attempt at one. */
export interface Session {
  /** exec, attach, portforward, cp, debug, ephemeralcontainer, proxy */
  kind: string;
  /** denied, failed, open, ended, unknown */
  state: string;
  cluster: string;
  auditID: string;
  user: string;
  as?: string;
  namespace?: string;
  /** pods/web-1, nodes/worker-1, services/db */
  target: string;
  container?: string;
  command?: string[];
  /** of a debug or ephemeral container */
  image?: string;
  ports?: number[];
  stdin?: boolean;
  tty?: boolean;
  /** the peer's address */
  from?: string;
  agent?: string;
  code?: number;
  /** why it was allowed or refused */
  reason?: string;
  start: string;
  end?: string;
  seconds?: number;
  /** of a proxied request: what was asked of the target */
  path?: string;
  /** its events */
  positions: number[];
  sentence: string;
}

/** Question asks for sessions. */
export interface SessionQuestion {
  /** narrows them, in the search language */
  query?: string;
  since?: string;
  until?: string;
  clusters?: string[];
  /** only those that were refused */
  denied?: boolean;
  /** the newest; 0: all, up to 20,000 */
  limit?: number;
}

/** Sessions is the answer: the newest first. */
export interface Sessions {
  sessions: Session[];
  coverage: Coverage;
}

/** Seven are the seven questions that every event answers. */
export interface Seven {
  /** what happened */
  what: string;
  /** and when */
  when: string;
  /** who initiated it */
  who: string;
  /** on what it happened */
  onWhat: string;
  /** where it was observed */
  observed: string;
  /** from where it was initiated */
  from: string;
  /** to where it was going */
  to: string;
}

/** SilencesEnd says how many there are. */
export interface SilencesEnd {
  returned: number;
  complete: boolean;
}

/** SilencesQuestion asks for the silences. Items are Silence. */
export interface SilencesQuestion {
  /** those that are over, too */
  ended?: boolean;
}

/** FileError is a file that could not be read to its end. What stood before the error is in the ledger. */
export interface SourceFileError {
  Path: string;
  Err: unknown;
}

/** Progress is how far an import is. */
export interface SourceProgress {
  Files: number;
  FilesDone: number;
  /** as the files lie on disk; a pipe counts for nothing */
  Bytes: number;
  /** as the files lie on disk; a pipe counts for nothing */
  Total: number;
  /** read, known ones and unreadable pieces too */
  Events: number;
  Salvaged: number;
  Quarantined: number;
  Elapsed: number;
}

/** Summary is what an import came to. */
export interface SourceSummary {
  /** read to their end */
  Files: number;
  /** passed over, since an earlier import finished them */
  Unchanged: number;
  /** not read, or not to their end */
  Failed: SourceFileError[];
  /** found in directories and left alone, by kind: "symbolic link", "pipe", … */
  NotRead: Record<string, number>;
  /** files by what they held: "v1", "legacy text", …; one may hold several */
  Formats: Record<string, number>;
  /** records that are no audit events, by kind */
  Skipped: Record<string, number>;
  /** events; conflicts and salvaged are among the new */
  New: number;
  /** events; conflicts and salvaged are among the new */
  Duplicates: number;
  /** events; conflicts and salvaged are among the new */
  Conflicts: number;
  /** events; conflicts and salvaged are among the new */
  Salvaged: number;
  /** unreadable pieces that are new */
  Quarantined: number;
  /** unreadable pieces by reason, known ones too */
  Reasons: Record<string, number>;
  /** the first few of them: "audit.log at byte 1532: …" */
  Examples: string[];
  /** read, after decompression */
  Bytes: number;
  From: string;
  Until: string;
  Elapsed: number;
}

/** Status is how a data directory is. */
export interface Status {
  version: string;
  /** of the process that has the ledger open */
  pid: number;
  started: string;
  failed?: string;
  sealFailed?: boolean;
  logBytes: number;
  clusters: ClusterStatus[];
  followed?: Followed[];
  watching: WatchStatus;
}

/** StatusQuestion asks how the server is; the end is a Status. */
export interface StatusQuestion {
}

/** TailQuestion asks for the newest events and then for each that arrives. Items are query.Event; the end never comes. */
export interface TailQuestion {
  query?: string;
  clusters?: string[];
  /** how many of those that are there already; default 10 */
  limit?: number;
  /** default summary */
  detail?: Detail;
}

/** TestAlertEnd says that it arrived. */
export interface TestAlertEnd {
  to: string;
  seconds: number;
}

/** TestAlertQuestion sends a message that says it is a test. */
export interface TestAlertQuestion {
  /** a destination's name */
  to: string;
}

/** TokenInfo is what is told of a token. */
export interface TokenInfo {
  id: string;
  role: AccessRole;
  /** of whoever asks with it */
  name?: string;
  /** which delivers with it */
  cluster?: string;
  /** what a reader may see */
  scope?: string;
  bodies?: boolean;
  created: string;
  expires?: string;
  expired?: boolean;
  note?: string;
}

/** TokenQuestion asks for a new token; the end is a NewToken. */
export interface TokenQuestion {
  /** ingest, reader, auditor, admin */
  role: AccessRole;
  /** of whoever is to have it; default: the role and the token's ID */
  name?: string;
  /** for ingest */
  cluster?: string;
  /** for a reader */
  scope?: string;
  bodies?: boolean;
  /** how long it lasts; default 90 days. Ingest tokens last until they are revoked */
  seconds?: number;
  /** it lasts until it is revoked */
  never?: boolean;
  note?: string;
}

/** TokensQuestion asks for the tokens that were not revoked. Items are TokenInfo, the oldest first; the end is empty. */
export interface TokensQuestion {
}

/** Value is a value of a field and how many events have it. */
export interface Value {
  /** "" where the field is absent */
  value: string;
  count: number;
}

/** Values are the most frequent values of a field that begin with, or else hold, what was typed. */
export interface Values {
  values: Value[];
  coverage: Coverage;
}

/** ValuesQuestion asks for the values of a field, for completion; the end is a Values. */
export interface ValuesQuestion {
  query?: string;
  /** event time, included */
  since?: string;
  /** event time, excluded */
  until?: string;
  clusters?: string[];
  field: string;
  prefix?: string;
  /** default 20 */
  limit?: number;
}

/** VerifyProgress is how far a verification is, in events. */
export interface VerifyProgress {
  done: number;
  total: number;
}

/** VerifyQuestion asks to hold the ledger against its signatures. Items are VerifyProgress, the end is a ledger.Report. */
export interface VerifyQuestion {
  cluster?: string;
  from?: number;
  /** excluded; 0 with From 0: all */
  to?: number;
  against?: string;
  key?: string;
}

/** WatchLag is how far rules are behind in a cluster. */
export interface WatchLag {
  cluster: string;
  /** events */
  behind: number;
  /** seconds since the oldest of them came */
  lag: number;
}

/** WatchStatus is how rules and alerts fare. */
export interface WatchStatus {
  /** that are on */
  rules: number;
  /** that cannot be used */
  errors: number;
  /** why they could not be read anew */
  trouble?: string;
  /** why the last attempt to look at events failed */
  failed?: string;
  /** that are watched */
  clusters: WatchLag[];
  /** recorded since the start */
  findings: number;
  /** why nobody is told of anything at present */
  noAlerts?: string;
  destinations: AlertStatus[];
}

/** Watched is how far the rules have looked at a cluster. For a scoped reader the figures are absent. */
export interface Watched {
  cluster: string;
  /** the position up to which all was looked at, excluded */
  to?: number;
  /** events that are not looked at yet */
  behind?: number;
  /** windows that end before it are closed */
  mark?: string;
}

/** The questions of the API, by what follows /api/v1/. */
export interface Routes {
  /** Find events. */
  "events": { question: SearchQuestion; item: Event; end: Coverage };
  /** The newest events, and then each as it arrives. */
  "tail": { question: TailQuestion; item: Event; end: Coverage };
  /** Count events by time. */
  "hits": { question: HitsQuestion; item: HitRow; end: Hits };
  /** Count events by the values of fields. */
  "facets": { question: FacetsQuestion; item: Facet; end: Coverage };
  /** Values of a field, for completion. */
  "values": { question: ValuesQuestion; item: Nothing; end: Values };
  /** The fields of the search language. */
  "fields": { question: FieldsQuestion; item: Field; end: Nothing };
  /** One event, all stages of its request, and what proves it. */
  "event": { question: EventQuestion; item: Nothing; end: EventDetail };
  /** The events around one: of the same actor, object or time. */
  "neighbours": { question: NeighboursQuestion; item: Nothing; end: Neighbours };
  /** What happened, and whether the record is whole. */
  "overview": { question: OverviewQuestion; item: Nothing; end: Overview };
  /** What is known of a user: from where, with what, on what, and by which bindings. */
  "actors/profile": { question: ActorQuestion; item: Nothing; end: ActorProfile };
  /** What is usual for a user: actions, namespaces, networks, clients, hours. */
  "actors/baseline": { question: BaselineQuestion; item: BaselineProfile; end: BaselineEnd };
  /** The least roles that allow what a user did. */
  "actors/rbac": { question: ActorRoleQuestion; item: Nothing; end: ActorRole };
  /** Shells, port-forwards and the like, each joined from its events. */
  "sessions": { question: SessionQuestion; item: Nothing; end: Sessions };
  /** Ask a named question, or list them. */
  "ask": { question: AskQuestion; item: Event | Group | NamedQuestion; end: Answer };
  /** The versions of an object, each with the request that made it. */
  "objects/history": { question: ObjectQuestion; item: Nothing; end: ObjectLife };
  /** What differs between two versions of an object. */
  "objects/diff": { question: ObjectDiffQuestion; item: Nothing; end: ObjectDifference };
  /** Who last set each line of an object. */
  "objects/blame": { question: ObjectQuestion; item: Nothing; end: ObjectBlamed };
  /** Answer one SELECT over the view events. */
  "sql": { question: SQLQuestion; item: SQLItem; end: Coverage };
  /** Make the proof of an event. */
  "proof": { question: ProveQuestion; item: Nothing; end: Proof };
  /** How the record of each cluster is. */
  "ledger": { question: LedgerQuestion; item: LedgerState; end: Nothing };
  /** Sign the tree head of a cluster. */
  "ledger/checkpoint": { question: CheckpointQuestion; item: Nothing; end: Note };
  /** Hold the ledger against its signatures. */
  "ledger/verify": { question: VerifyQuestion; item: VerifyProgress; end: LedgerReport };
  /** What rules found, the newest first. */
  "findings": { question: FindingsQuestion; item: Finding; end: FindingsCover };
  /** What rules found, in groups. */
  "findings/groups": { question: FindingGroupsQuestion; item: FindingGroup; end: FindingGroupsEnd };
  /** One finding: why, by which events, its rule, who was told, and what proves it. */
  "findings/finding": { question: FindingQuestion; item: Nothing; end: FindingDetail };
  /** The newest findings, and then each as it is recorded. */
  "findings/tail": { question: FindingsTailQuestion; item: Finding; end: FindingsCover };
  /** List the rules, and count what each found. */
  "rules": { question: RulesQuestion; item: RuleState; end: RulesEnd };
  /** One rule with its text. */
  "rules/rule": { question: RuleQuestion; item: Nothing; end: RuleState };
  /** Run rules over what happened. */
  "rules/hunt": { question: HuntQuestion; item: Finding; end: HuntEnd };
  /** Whether rules can fire under an audit policy, and what of it prevents them. */
  "rules/coverage": { question: CoverageQuestion; item: CoverageResult; end: CoverageEnd };
  /** The techniques of ATT&CK, with the rules that look for each and what they found. */
  "rules/attack": { question: AttackQuestion; item: AttackTechnique; end: AttackEnd };
  /** Save a search as a rule. */
  "rules/save": { question: SaveRuleQuestion; item: Nothing; end: RuleState };
  /** Remove a search that was saved as a rule. */
  "rules/remove": { question: RemoveRuleQuestion; item: Nothing; end: Nothing };
  /** List the silences. */
  "silences": { question: SilencesQuestion; item: AlertSilence; end: SilencesEnd };
  /** Have nobody told of some findings for a while. */
  "silences/create": { question: CreateSilenceQuestion; item: Nothing; end: AlertSilence };
  /** End a silence. */
  "silences/expire": { question: ExpireSilenceQuestion; item: Nothing; end: AlertSilence };
  /** Who was told of what, and how each destination fares. */
  "alerts": { question: AlertsQuestion; item: AlertOutcome; end: AlertsEnd };
  /** Send a test to a destination of alerts. */
  "alerts/test": { question: TestAlertQuestion; item: Nothing; end: TestAlertEnd };
  /** How the server is. */
  "status": { question: StatusQuestion; item: Nothing; end: Status };
  /** Who asks, and what they may do. */
  "me": { question: MeQuestion; item: Nothing; end: Me };
  /** List the tokens. */
  "tokens/list": { question: TokensQuestion; item: TokenInfo; end: Nothing };
  /** Make a token. */
  "tokens/create": { question: TokenQuestion; item: Nothing; end: NewToken };
  /** End a token. */
  "tokens/revoke": { question: RevokeQuestion; item: Nothing; end: Nothing };
  /** Read files into the ledger. */
  "import": { question: ImportQuestion; item: SourceProgress; end: ImportEnd };
}
