// Who may import whom: the rooms of the house, kept apart by a check.
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  comment: `${from} may import only: ${allowed.join(', ')}`,
  from: { path: from },
  to: { path: '^(src|drivers|test)/', pathNot: allowed },
});

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'packaging-reads-files-only',
      severity: 'error',
      comment: 'what makes packages takes the program as files, and no part of it',
      from: { path: '^packaging/' },
      to: { path: '^(src|drivers|test)/' },
    },
    {
      name: 'no-test-in-product',
      severity: 'error',
      from: { path: '^(src|drivers)/' },
      to: { path: '^(test|packaging)/' },
    },
    only('domain-imports-nothing', '^src/domain/', ['^src/domain/']),
    only('store-imports-domain', '^src/store/', ['^src/(store|domain)/']),
    only('facility-imports-domain', '^src/facility/(?!generate\\.ts$)', ['^src/(facility|domain)/']),
    only('facility-generator-imports', '^src/facility/generate\\.ts$', [
      '^src/(facility|domain)/',
      '^src/drivers\\.ts$',
    ]),
    {
      name: 'list-of-drivers-where-all-is-composed',
      severity: 'error',
      from: { path: '^(src|drivers)/', pathNot: '^src/(agent/|cli/|facility/generate\\.ts$)' },
      to: { path: '^src/drivers\\.ts$' },
    },
    only('ops-imports-domain', '^src/ops/', ['^src/(ops|domain)/']),
    only('monitor-imports', '^src/monitor/', ['^src/(monitor|domain)/']),
    only('doctor-imports', '^src/doctor/', ['^src/(doctor|domain|facility|ops)/']),
    only('access-imports', '^src/access/', ['^src/(access|domain|store)/']),
    only('sync-imports', '^src/sync/', ['^src/(sync|domain|store)/']),
    only('acceptance-imports', '^src/acceptance/', ['^src/(acceptance|domain|store)/']),
    only('commands-imports', '^src/commands/', ['^src/(acceptance|commands|domain|store)/']),
    only('agent-imports', '^src/agent/', ['^src/(agent|access|commands|domain|facility|mqtt|ops|store|sync)/']),
    only('console-imports', '^src/console/', ['^src/(console|commands|domain|ops|store|sync)/']),
    only('mqtt-imports', '^src/mqtt/', ['^src/(mqtt|domain|store)/']),
    ...['modbus', 'osdp', 'soyal', 'uart'].map((name) =>
      only(`driver-${name}-imports`, `^drivers/${name}/`, [
        `^drivers/${name}/`,
        '^drivers/kit/',
        '^drivers/driver\\.ts$',
        '^src/domain/',
      ]),
    ),
    only('drivers-kit-imports-domain', '^drivers/(driver\\.ts$|kit/)', ['^drivers/kit/', '^src/domain/']),
    only('lines-import-domain', '^drivers/(serial-port\\.ts$|port/)', [
      '^drivers/(driver\\.ts$|port/)',
      '^src/domain/',
    ]),
    {
      name: 'serialport-in-one-place',
      severity: 'error',
      from: { path: '^(src|drivers)/', pathNot: '^drivers/port/serial\\.ts$' },
      to: { path: 'node_modules/(@serialport|serialport)/' },
    },
    {
      name: 'drivers-reach-no-native-module',
      severity: 'error',
      comment: 'a driver is handed its line as a port: whoever only reads a facility file loads no serialport',
      from: { path: '^(drivers/(kit|modbus|osdp|soyal|uart)/|src/(domain|facility)/)' },
      to: {
        path: '^(drivers/serial-port\\.ts$|drivers/port/|node_modules/(@serialport|serialport)/)',
        reachable: true,
      },
    },
    {
      name: 'sqlite-in-one-place',
      severity: 'error',
      from: { path: '^(src|drivers)/', pathNot: '^src/store/' },
      to: { path: 'node_modules/better-sqlite3/' },
    },
    {
      name: 'cron-in-one-place',
      severity: 'error',
      from: { path: '^(src|drivers)/', pathNot: '^src/ops/cron\\.ts$' },
      to: { path: 'node_modules/node-cron/' },
    },
    {
      name: 'console-knows-no-driver',
      severity: 'error',
      from: { path: '^src/console/' },
      to: { path: '^drivers/' },
    },
    {
      name: 'mqtt-in-one-place',
      severity: 'error',
      from: { path: '^(src|drivers)/', pathNot: '^src/(mqtt|cli)/' },
      to: { path: 'node_modules/(mqtt|aedes)/' },
    },
    {
      name: 'no-dev-dependencies-in-product',
      severity: 'error',
      from: { path: '^(src|drivers|bin)/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: 'node_modules/@types/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
