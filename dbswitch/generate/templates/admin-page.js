/* eslint-disable */
// The admin page of this project's databases: in development and on this machine only. Written by `dbswitch generate
// page`, which also brings it up to date; do not edit it.

import { headers } from "next/headers";
import { notFound } from "next/navigation";

import { authorize } from "../../api/admin/database/authorize"; // {authorize}
import { isFramed, isOpen, readToken } from "../../api/admin/database/server"; // {server}
import { DatabaseSwitch } from "./database-switch"; // {switch}

const ROUTE = "/api/admin/database"; // {route}

export const dynamic = "force-dynamic";
export const metadata = { title: "Database" };

export default async function Page() {
    const sent = new Headers(await headers());
    if (!isOpen(sent) || isFramed(sent))
        notFound();
    let token = "";
    try {
        // Without a sign-in of the project's own this is no: a browser that follows a link carries no token. Then the page
        // asks for it once.
        if (await authorize(new Request(`http://${sent.get("host")}${ROUTE}`, { headers: sent })))
            token = readToken();
    }
    catch {
        // A sign-in that throws has not allowed anything.
    }
    return <DatabaseSwitch route={(process.env.__NEXT_ROUTER_BASEPATH ?? "") + ROUTE} token={token}/>;
}

