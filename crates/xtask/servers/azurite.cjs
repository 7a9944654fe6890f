// Runs Azurite's blob service until standard input ends, then removes its files. The pipe ends with the process that holds it,
// however that one dies, so no server and no file outlives a test run.
const fs = require("fs");

const [main, files, ...args] = process.argv.slice(2);
process.stdin
  .on("end", () => {
    fs.rmSync(files, { recursive: true, force: true });
    process.exit(0);
  })
  .resume();
process.argv = [process.argv[0], main, "--location", files, ...args];
require(main);
