// Ten calls to Savepoint, and one error that is told from others by its reason. docs/clients.md has the commands.

import { randomUUID } from "node:crypto";

import { type CallOptions, Client, type ClientUnaryCall, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";

import { ErrorInfo } from "./stubs/google/rpc/error_details.js";
import { Status } from "./stubs/google/rpc/status.js";
import { GrantItemRequest, InventoryServiceClient, ListItemsRequest } from "./stubs/savepoint/inventory/v1/inventory.js";
import {
  CreateLeaderboardRequest,
  LeaderboardServiceClient,
  ListTopRequest,
  SubmitScoreRequest,
} from "./stubs/savepoint/leaderboard/v1/leaderboard.js";
import {
  CreatePlayerRequest,
  GetPlayerRequest,
  type Player,
  ProfileServiceClient,
} from "./stubs/savepoint/profile/v1/profile.js";
import { AdjustCoinsRequest, TransferCoinsRequest, WalletServiceClient } from "./stubs/savepoint/profile/v1/wallet.js";

const GATEWAY = `127.0.0.1:${process.env["SAVEPOINT_PORT"] || "8080"}`;
/** Of a call, its retries included. */
const DEADLINE_MS = 10_000;
/** Calls that find a service away or busy are made again; so the same requestId has to be in each try. */
const SERVICE_CONFIG = JSON.stringify({
  methodConfig: [
    {
      name: [{}],
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: "1s",
        backoffMultiplier: 2,
        maxBackoff: "10s",
        retryableStatusCodes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
      },
    },
  ],
});

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** Makes one call with its deadline. Rejects with a ServiceError. */
function call<Request, Response>(
  client: Client,
  method: Method<Request, Response>,
  request: Request,
): Promise<Response> {
  const options = { deadline: Date.now() + DEADLINE_MS };
  return new Promise((resolve, reject) => {
    method.call(client, request, new Metadata(), options, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

/** What programs match on; undefined for an error that does not come from Savepoint, but from the network. */
function errorInfo(error: unknown): ErrorInfo | undefined {
  const [status] = (error as Partial<ServiceError> | undefined)?.metadata?.get("grpc-status-details-bin") ?? [];
  if (!(status instanceof Buffer)) return undefined;
  const info = Status.decode(status).details.find(({ typeUrl }) => typeUrl.endsWith("/google.rpc.ErrorInfo"));
  return info && ErrorInfo.decode(info.value);
}

/** The field of an answer that the contract promises to be set. */
function present<T>(field: T | undefined): T {
  if (field === undefined) throw new Error("an answer lacks its message");
  return field;
}

async function createPlayer(profile: ProfileServiceClient, username: string): Promise<Player> {
  const request = CreatePlayerRequest.create({ requestId: randomUUID(), username, email: `${username}@example.com` });
  const player = present((await call(profile, profile.createPlayer, request)).player);
  console.log(`CreatePlayer: ${player.username}`);
  return player;
}

async function run(address: string): Promise<void> {
  // One channel for all: the gateway leads each service's calls to it.
  const options = { "grpc.service_config": SERVICE_CONFIG };
  const profile = new ProfileServiceClient(address, credentials.createInsecure(), options);
  const channelOverride = profile.getChannel();
  const wallet = new WalletServiceClient(address, credentials.createInsecure(), { channelOverride });
  const inventory = new InventoryServiceClient(address, credentials.createInsecure(), { channelOverride });
  const leaderboard = new LeaderboardServiceClient(address, credentials.createInsecure(), { channelOverride });
  try {
    const suffix = randomUUID().slice(0, 8); // names are taken once
    const ada = await createPlayer(profile, `ada-${suffix}`);
    const bob = await createPlayer(profile, `bob-${suffix}`);

    const read = await call(profile, profile.getPlayer, GetPlayerRequest.create({ playerId: ada.playerId }));
    console.log(`GetPlayer: level ${present(read.player).level}, mmr ${present(read.player).mmr}`);

    const bonus = AdjustCoinsRequest.create({
      requestId: randomUUID(),
      playerId: ada.playerId,
      delta: 100n,
      reason: "daily_bonus",
    });
    const adjusted = await call(wallet, wallet.adjustCoins, bonus);
    console.log(`AdjustCoins: ${present(adjusted.wallet).coins} coins`);

    const gift = TransferCoinsRequest.create({
      requestId: randomUUID(),
      senderPlayerId: ada.playerId,
      receiverPlayerId: bob.playerId,
      amount: 40n,
      reason: "gift",
    });
    const moved = await call(wallet, wallet.transferCoins, gift);
    console.log(`TransferCoins: ${present(moved.sender).coins} coins left, ${present(moved.receiver).coins} there`);

    const potions = GrantItemRequest.create({
      requestId: randomUUID(),
      grant: { playerId: ada.playerId, itemType: "consumable", itemId: "health_potion", quantity: 3n },
    });
    const item = present((await call(inventory, inventory.grantItem, potions)).item);
    console.log(`GrantItem: ${item.quantity} x ${item.itemId}`);

    const owned = await call(inventory, inventory.listItems, ListItemsRequest.create({ playerId: ada.playerId }));
    console.log(`ListItems: ${owned.items.length} stack`);

    const leaderboardId = `weekly-${suffix}`;
    const board = CreateLeaderboardRequest.create({ leaderboard: { leaderboardId } });
    const created = await call(leaderboard, leaderboard.createLeaderboard, board);
    console.log(`CreateLeaderboard: ${present(created.leaderboard).leaderboardId}`);

    const score = SubmitScoreRequest.create({
      requestId: randomUUID(),
      submission: { leaderboardId, entryId: ada.playerId, score: 4200n },
    });
    const submitted = await call(leaderboard, leaderboard.submitScore, score);
    console.log(`SubmitScore: rank ${present(submitted.entry).rank}`);

    const page = ListTopRequest.create({ leaderboardId, pageSize: 10 });
    const top = await call(leaderboard, leaderboard.listTop, page);
    for (const entry of top.entries) console.log(`ListTop: rank ${entry.rank} with ${entry.score}`);

    // Ada has 60 coins: a refusal that the game expects.
    const sword = AdjustCoinsRequest.create({
      requestId: randomUUID(),
      playerId: ada.playerId,
      delta: -250n,
      reason: "sword_of_dawn",
    });
    const refusal = await call(wallet, wallet.adjustCoins, sword).then(
      () => undefined,
      (error: unknown) => error,
    );
    const info = errorInfo(refusal);
    if (info?.reason !== "INSUFFICIENT_COINS") {
      throw refusal ?? new Error("AdjustCoins should have been refused for too few coins");
    }
    console.log(`refused: ${info.reason}, has ${info.metadata["have"]} of ${info.metadata["need"]}`);
  } finally {
    profile.close();
  }
}

await run(GATEWAY);
