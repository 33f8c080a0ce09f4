// Small harmful changes to a file, one at a time: conditions that always or never hold, borders moved by one,
// statements left out, constants changed. They are found in TypeScript's own tree, so that none falls into a type or a
// comment, and each is a cut in the text, so that the rest of the file stays as it is.

import ts from 'typescript';

/** `text` in place of what stands from `start` to `end`. */
export type Mutant = { start: number; end: number; text: string; line: number };

export const mutated = (source: string, { start, end, text }: Mutant): string =>
  source.slice(0, start) + text + source.slice(end);

/** What it changes, on one line. */
export function described(source: string, { start, end, text }: Mutant): string {
  const short = (part: string): string => {
    const line = part.replace(/\s+/g, ' ').trim();
    return line.length > 70 ? `${line.slice(0, 69)}…` : line;
  };
  return `${short(source.slice(start, end))} → ${short(text) || 'nothing'}`;
}

export function parse(source: string): ts.SourceFile {
  return ts.createSourceFile('file.ts', source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
}

export function mutantsOf(source: string): Mutant[] {
  const file = parse(source);
  const found: Mutant[] = [];
  const look = (node: ts.Node): void => {
    if (isNoCode(node)) return;
    for (const [at, text] of changesOf(node)) {
      const start = at.getStart(file);
      const end = at.getEnd();
      const line = file.getLineAndCharacterOfPosition(start).line + 1;
      if (source.slice(start, end) !== text) found.push({ start, end, text, line });
    }
    ts.forEachChild(node, look);
  };
  ts.forEachChild(file, look);
  return found.sort((a, b) => a.start - b.start || b.end - a.end);
}

type Change = readonly [at: ts.Node, text: string];

const isNoCode = (node: ts.Node): boolean =>
  ts.isTypeNode(node) ||
  ts.isTypeAliasDeclaration(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isImportDeclaration(node) ||
  ts.isExportDeclaration(node) ||
  (ts.isExpressionStatement(node) && isTalk(node.expression));

/** What is said to people in the log decides nothing. */
const isTalk = (node: ts.Expression): boolean =>
  ts.isCallExpression(node) && /\blog\.(debug|info|warn|error)$/.test(node.expression.getText());

function changesOf(node: ts.Node): Change[] {
  if (ts.isIfStatement(node) || ts.isWhileStatement(node)) return decided(node.expression, ts.isIfStatement(node));
  if (ts.isConditionalExpression(node)) return decided(node.condition, true);
  if (ts.isBinaryExpression(node)) return binary(node);
  if (ts.isPrefixUnaryExpression(node)) return prefix(node);
  if (ts.isPostfixUnaryExpression(node))
    return counted(node, node.operator, (sign) => `${node.operand.getText()}${sign}`);
  if (ts.isExpressionStatement(node)) return dropped(node);
  if (ts.isThrowStatement(node)) return [[node, ';']];
  if (ts.isNumericLiteral(node)) return [[node, otherNumber(node)]];
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [[node, 'false']];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [[node, 'true']];
  if (ts.isCallExpression(node)) return called(node);
  return [];
}

/** A loop whose condition always holds says nothing: it only never ends. */
const decided = (condition: ts.Expression, canHold: boolean): Change[] => [
  ...(canHold ? [[condition, 'true'] as const] : []),
  [condition, 'false'],
];

const SWAPPED: Readonly<Partial<Record<ts.SyntaxKind, readonly string[]>>> = {
  [ts.SyntaxKind.LessThanToken]: ['<=', '>='],
  [ts.SyntaxKind.LessThanEqualsToken]: ['<', '>'],
  [ts.SyntaxKind.GreaterThanToken]: ['>=', '<='],
  [ts.SyntaxKind.GreaterThanEqualsToken]: ['>', '<'],
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: ['!=='],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: ['==='],
  [ts.SyntaxKind.AmpersandAmpersandToken]: ['||'],
  [ts.SyntaxKind.BarBarToken]: ['&&'],
  [ts.SyntaxKind.PlusToken]: ['-'],
  [ts.SyntaxKind.MinusToken]: ['+'],
  [ts.SyntaxKind.AsteriskToken]: ['/'],
  [ts.SyntaxKind.SlashToken]: ['*'],
  [ts.SyntaxKind.PercentToken]: ['*'],
  [ts.SyntaxKind.PlusEqualsToken]: ['-='],
  [ts.SyntaxKind.MinusEqualsToken]: ['+='],
  [ts.SyntaxKind.AmpersandToken]: ['|'],
  [ts.SyntaxKind.BarToken]: ['&'],
  [ts.SyntaxKind.CaretToken]: ['&'],
  [ts.SyntaxKind.LessThanLessThanToken]: ['>>'],
  [ts.SyntaxKind.GreaterThanGreaterThanToken]: ['<<'],
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken]: ['<<'],
};

function binary(node: ts.BinaryExpression): Change[] {
  const { operatorToken } = node;
  // Text that is joined cannot be taken apart.
  if (isText(node)) return [];
  return (SWAPPED[operatorToken.kind] ?? []).map((text) => [operatorToken, text]);
}

const isText = (node: ts.Expression): boolean =>
  ts.isStringLiteralLike(node) ||
  ts.isTemplateExpression(node) ||
  (ts.isBinaryExpression(node) &&
    node.operatorToken.kind === ts.SyntaxKind.PlusToken &&
    (isText(node.left) || isText(node.right)));

function prefix(node: ts.PrefixUnaryExpression): Change[] {
  if (node.operator === ts.SyntaxKind.ExclamationToken) return [[node, `(${node.operand.getText()})`]];
  return counted(node, node.operator, (sign) => `${sign}${node.operand.getText()}`);
}

function counted(node: ts.Node, operator: ts.SyntaxKind, text: (sign: string) => string): Change[] {
  if (operator === ts.SyntaxKind.PlusPlusToken) return [[node, text('--')]];
  return operator === ts.SyntaxKind.MinusMinusToken ? [[node, text('++')]] : [];
}

function dropped(node: ts.ExpressionStatement): Change[] {
  const isSuper =
    ts.isCallExpression(node.expression) && node.expression.expression.kind === ts.SyntaxKind.SuperKeyword;
  return isSuper ? [] : [[node, ';']];
}

function otherNumber(node: ts.NumericLiteral): string {
  const value = Number(node.text);
  return String(value < 100 ? value + 1 : value * 2);
}

const OPPOSITE: Readonly<Record<string, string>> = {
  some: 'every',
  every: 'some',
  min: 'max',
  max: 'min',
  startsWith: 'endsWith',
  endsWith: 'startsWith',
};

function called({ expression }: ts.CallExpression): Change[] {
  if (!ts.isPropertyAccessExpression(expression)) return [];
  const { name } = expression;
  if (name.text === 'filter') return [[name, 'slice']];
  const opposite = Object.hasOwn(OPPOSITE, name.text) ? OPPOSITE[name.text] : undefined;
  return opposite === undefined ? [] : [[name, opposite]];
}
