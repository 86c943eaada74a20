// Who may look at the databases and switch them from the browser. This file is yours to change: `dbswitch generate`
// writes it once and then leaves your version alone. Whatever it allows, the route stays off outside of development and
// for other hosts than this machine.

import { tokenMatches } from "./server"; // {server}

/** Say whether the sender of `request` may look and switch. The page asks the same before it hands out the token. */
export async function authorize(request: Request): Promise<boolean> {
  // With a sign-in of your own, for example:
  //   const session = await auth();
  //   return session?.user?.role === "admin";
  return tokenMatches(request.headers.get("x-dbswitch-token"));
}
