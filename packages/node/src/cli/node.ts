import type { Command } from 'commander'

export function registerNode(program: Command): void {
  program
    .command('node')
    .description('run one node; it reports in lines of JSON on stdout')
    .requiredOption('--config <file>', 'configuration (JSON), see packages/node/README.md')
    .addHelpText('after', '\nExample:\n  $ pouw node --config ./my-node/node.json')
    .action(async ({ config }: { config: string }) => {
      const { readNodeConfig } = await import('../node-config.ts')
      const { runNodeProcess } = await import('../node-process.ts')
      const code = await runNodeProcess(await readNodeConfig(config))
      // Sockets and threads are closed; a stray handle must not keep a node alive that said goodbye.
      process.stdout.write('', () => process.exit(code))
    })
}
