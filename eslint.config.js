// What the linter holds: typed rules, the house habits of the project (no enum, no default export, no non-null `!`),
// and that time and chance come in through the constructor: global timers, `Date.now` and `Math.random` belong to the
// few adapters named below.
import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import { ownMembers } from './eslint-own-members.js';

const timeAndChance = [
  ...['setTimeout', 'setInterval', 'setImmediate'].map((name) => ({
    name,
    message: 'Take a Clock through the constructor (src/domain/ports.ts).',
  })),
];

export default tseslint.config(
  { ignores: ['node_modules/**', 'coverage/**', 'dist/**', '*.config.js', '.dependency-cruiser.cjs'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'No enum: types are stripped at run time.' },
        { selector: 'ExportDefaultDeclaration', message: 'No default exports.' },
      ],
    },
  },
  {
    files: ['src/**/*.ts', 'drivers/**/*.ts'],
    ignores: ['src/domain/named.ts'],
    plugins: { lintel: { rules: { 'own-members': ownMembers } } },
    rules: { 'lintel/own-members': 'error' },
  },
  {
    files: ['src/**/*.ts', 'drivers/**/*.ts'],
    ignores: ['src/ops/clock.ts', 'src/ops/random.ts'],
    rules: {
      'no-restricted-globals': ['error', ...timeAndChance],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'Take a Clock through the constructor.' },
        { object: 'Math', property: 'random', message: 'Take a Random through the constructor.' },
        { object: 'performance', property: 'now', message: 'Take a Clock through the constructor.' },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
  { files: ['**/*.js', '**/*.cjs'], ...tseslint.configs.disableTypeChecked },
  { files: ['**/vitest.config.ts'], rules: { 'no-restricted-syntax': 'off' } },
);
