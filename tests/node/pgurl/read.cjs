// Reads a JSON list of URLs from stdin and answers, for each, what node-postgres would connect to.
const { ConnectionParameters } = { ConnectionParameters: require(process.argv[2] + '/pg/lib/connection-parameters.js') }

process.removeAllListeners('warning')
const urls = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const read = (url) => {
  try {
    const { user, password, host, port, database, options, ssl } = new ConnectionParameters(url)
    return { user, password, host, port, database, options, ssl: describe(ssl) }
  } catch (error) {
    return { error: error.message }
  }
}
const describe = (ssl) => {
  if (!ssl) return 'plain'
  if (ssl === true) return 'full'
  if (ssl.rejectUnauthorized === false) return 'unverified'
  return ssl.checkServerIdentity ? 'authority' : 'full'
}
process.stdout.write(JSON.stringify(urls.map(read)))
