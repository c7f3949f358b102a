// Fetches its arguments, URLs, as a program in a pod does: it finds their hosts with the resolv.conf that the pod was given, and prints
//
//   <url> -> <name that was found> <address>: <first line of the body>
//
// and ends; the exit code is 1 where one could not be had. In a pod with a file system of its own the system does the resolving;
// here the file that FAIRLEAD_RESOLV_CONF names stands for /etc/resolv.conf.
import { Resolver } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { isIP } from "node:net";

/** Nameservers, search domains and ndots of a resolv.conf (resolv.conf(5)). */
function read(path) {
  const conf = { nameservers: [], search: [], ndots: 1 };
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [key, ...values] = line.trim().split(/\s+/);
    if (key === "nameserver") conf.nameservers.push(...values.slice(0, 1));
    if (key === "search") conf.search = values;
    if (key === "options") conf.ndots = Number(values.find((value) => value.startsWith("ndots:"))?.slice(6) ?? 1);
  }
  return conf;
}

/** The names to try for one, in order: with too few dots the search domains come first; a dot at the end ends all searching. */
function candidates(name, { search, ndots }) {
  if (name.endsWith(".")) return [name];
  const searched = search.map((domain) => `${name}.${domain}`);
  return name.split(".").length - 1 >= ndots ? [name, ...searched] : [...searched, name];
}

async function lookUp(name, conf, resolver) {
  if (isIP(name)) return { found: name, address: name };
  for (const candidate of candidates(name, conf)) {
    try {
      const [address] = await resolver.resolve4(candidate);
      if (address !== undefined) return { found: candidate, address };
    } catch (error) {
      // No such name, or no address: the next one. Anything else is a failure of the server.
      if (!["ENOTFOUND", "ENODATA"].includes(error.code)) throw error;
    }
  }
  throw new Error(`${name} has no address`);
}

function fetchFrom(url, address) {
  return new Promise((resolve, reject) => {
    const { hostname, port, pathname, search, host } = new URL(url);
    const path = pathname + search;
    const request = get({ host: address, port: port || 80, path, headers: { host }, timeout: 5000 }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text) => (body += text));
      response.on("end", () => resolve(body.split("\n")[0]));
    });
    request.on("timeout", () => request.destroy(new Error(`${hostname} is silent`)));
    request.on("error", reject);
  });
}

const conf = read(process.env.FAIRLEAD_RESOLV_CONF ?? "/etc/resolv.conf");
const resolver = new Resolver({ timeout: 2000, tries: 2 });
resolver.setServers(conf.nameservers);
for (const url of process.argv.slice(2)) {
  try {
    const { found, address } = await lookUp(new URL(url).hostname, conf, resolver);
    console.log(`${url} -> ${found} ${address}: ${await fetchFrom(url, address)}`);
  } catch (error) {
    console.log(`${url} -> ${error.message}`);
    process.exitCode = 1;
  }
}
