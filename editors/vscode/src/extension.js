// Starts `dslc lsp` and connects it to VS Code. All that is known about the language is known there.

import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { commands, window, workspace } from 'vscode';
import { LanguageClient, State } from 'vscode-languageclient/node';

const REMEDY =
  'Install it (`cargo install --path .` in the folder of dslc), or say in the setting `dslc.path` where it is.';

let client;
let log;
// Starts and stops come one after another, however fast they are asked for.
let queue = Promise.resolve();

export function activate(context) {
  log = window.createOutputChannel('dslc', { log: true });
  context.subscriptions.push(
    log,
    commands.registerCommand('dslc.restart', () => restart()),
    commands.registerCommand('dslc.log', () => log.show()),
    workspace.onDidChangeConfiguration(event => event.affectsConfiguration('dslc.path') && restart()),
  );
  return restart();
}

export function deactivate() {
  return then(stop);
}

function restart() {
  return then(async () => {
    await stop();
    await start();
  });
}

function then(step) {
  queue = queue.then(step).catch(error => {
    log.error(error);
    window.showErrorMessage(`dslc: ${error.message}`);
  });
  return queue;
}

async function stop() {
  const old = client;
  client = undefined;
  if (old?.state === State.Running) await old.stop();
  await old?.dispose();
}

async function start() {
  const path = program();
  const fault = await tryOut(path);
  if (fault) return offer(fault);
  client = new LanguageClient(
    'dslc',
    'dslc',
    { command: path, args: ['lsp'] },
    { documentSelector: [{ scheme: 'file', language: 'dslc' }], outputChannel: log },
  );
  await client.start();
}

/** The setting, with what stands for a folder replaced. */
function program() {
  const folder = workspace.workspaceFolders?.[0]?.uri.fsPath ?? '.';
  const path = workspace.getConfiguration('dslc').get('path')?.trim() || 'dslc';
  return path.replaceAll('${workspaceFolder}', folder).replace(/^~(?=[\\/]|$)/, homedir());
}

/** What is wrong with the program, or nothing. */
function tryOut(path) {
  return new Promise(resolve =>
    execFile(path, ['lsp', '--help'], { timeout: 10_000 }, error => {
      if (!error) resolve(undefined);
      else if (error.code === 'ENOENT') resolve(`The program \`${path}\` was not found. ${REMEDY}`);
      else if (error.code === 'EACCES') resolve(`The program \`${path}\` may not be run. ${REMEDY}`);
      else resolve(`The program \`${path}\` does not know \`dslc lsp\`: it is another program, or too old. ${REMEDY}`);
    }));
}

/** Says what is wrong without holding anything up, with ways out. */
function offer(fault) {
  log.error(fault);
  window.showErrorMessage(fault, 'Open the setting', 'Try again').then(answer => {
    if (answer === 'Open the setting') commands.executeCommand('workbench.action.openSettings', 'dslc.path');
    if (answer === 'Try again') restart();
  });
}
