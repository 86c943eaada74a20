/* eslint-disable */
// The admin page of this project's databases: in development and on this machine only. Written by `dbswitch generate
// page`, which also brings it up to date; do not edit it.

import { headers } from "next/headers";
import { notFound } from "next/navigation";
import { Suspense } from "react";

import { authorize } from "../../api/admin/database/authorize"; // {authorize}
import { isFramed, isOpen, readToken } from "../../api/admin/database/server"; // {server}
import { DatabaseSwitch } from "./database-switch"; // {switch}

const ROUTE = "/api/admin/database"; // {route}

export const metadata = { title: "Database" };

export default function Page() {
    if (process.env.NODE_ENV !== "development")
        notFound();
    // A project with `cacheComponents` may ask for headers only in here, and may not say `dynamic`.
    return (<Suspense fallback={null}>
      <Here />
    </Suspense>);
}

async function Here() {
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

