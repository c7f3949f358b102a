/** Which file a program's name stands for. */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";

/** Where tools of the system lie that an ordinary PATH does not have. */
const systemFolders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** The file that a name stands for, from a working directory and by a PATH as execvp(3) looks; undefined if there is none to run. */
export function programFile(
  name: string,
  options: { readonly path: string; readonly cwd: string },
): string | undefined {
  const { path, cwd } = options;
  const files = name.includes("/") ? [name] : path.split(delimiter).map((folder) => `${folder || "."}/${name}`);
  return files.map((file) => resolve(cwd, file)).find(isProgram);
}

/** A tool of this machine, by this process' own PATH and where the system keeps its own. */
export function systemTool(name: string): string | undefined {
  const path = [process.env["PATH"] ?? "", ...systemFolders].filter((folder) => folder !== "").join(delimiter);
  return programFile(name, { path, cwd: "/" });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
