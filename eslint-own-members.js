// A rule of ours: an object is never indexed by a text that is only known when the program runs. Every object answers
// to `toString` and `__proto__`; where such a name comes from outside, what it finds is taken for a member. `memberOf`
// (src/domain/named.ts) and Map look only at what was put there.
import { ESLintUtils } from '@typescript-eslint/utils';
import ts from 'typescript';

const isOpenText = (type) => (type.isUnion() ? type.types.some(isOpenText) : (type.flags & ts.TypeFlags.String) !== 0);

export const ownMembers = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      open: 'Look this up with memberOf (src/domain/named.ts) or in a Map: the name may be that of a member of every object.',
    },
  },
  create(context) {
    const services = ESLintUtils.getParserServices(context);
    const checker = services.program.getTypeChecker();
    return {
      'MemberExpression[computed=true]'(node) {
        if (node.property.type === 'Literal') return;
        if (
          isOpenText(services.getTypeAtLocation(node.property)) &&
          !checker.isArrayType(services.getTypeAtLocation(node.object))
        )
          context.report({ node, messageId: 'open' });
      },
    };
  },
};
