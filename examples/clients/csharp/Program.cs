// Ten calls to Savepoint, and one error that is told from others by its reason. docs/clients.md has the commands.

using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;
using Savepoint.Inventory.V1;
using Savepoint.Leaderboard.V1;
using Savepoint.Profile.V1;

var port = Environment.GetEnvironmentVariable("SAVEPOINT_PORT") is { Length: > 0 } given ? given : "8080";

// Calls that find a service away or busy are made again; so the same RequestId has to be in each try.
var retried = new MethodConfig
{
    Names = { MethodName.Default },
    RetryPolicy = new RetryPolicy
    {
        MaxAttempts = 5,
        InitialBackoff = TimeSpan.FromSeconds(1),
        BackoffMultiplier = 2,
        MaxBackoff = TimeSpan.FromSeconds(10),
        RetryableStatusCodes = { StatusCode.Unavailable, StatusCode.ResourceExhausted },
    },
};
using var channel = GrpcChannel.ForAddress(
    $"http://127.0.0.1:{port}",
    new GrpcChannelOptions { ServiceConfig = new ServiceConfig { MethodConfigs = { retried } } });
var profile = new ProfileService.ProfileServiceClient(channel);
var wallet = new WalletService.WalletServiceClient(channel);
var inventory = new InventoryService.InventoryServiceClient(channel);
var leaderboard = new LeaderboardService.LeaderboardServiceClient(channel);

// Of a call, its retries included.
DateTime Deadline() => DateTime.UtcNow.AddSeconds(10);
string NewId() => Guid.NewGuid().ToString();

var suffix = NewId()[..8]; // names are taken once
var ada = await CreatePlayer($"ada-{suffix}");
var bob = await CreatePlayer($"bob-{suffix}");

var read = await profile.GetPlayerAsync(new GetPlayerRequest { PlayerId = ada.PlayerId }, deadline: Deadline());
Console.WriteLine($"GetPlayer: level {read.Player.Level}, mmr {read.Player.Mmr}");

var adjusted = await wallet.AdjustCoinsAsync(
    new AdjustCoinsRequest { RequestId = NewId(), PlayerId = ada.PlayerId, Delta = 100, Reason = "daily_bonus" },
    deadline: Deadline());
Console.WriteLine($"AdjustCoins: {adjusted.Wallet.Coins} coins");

var moved = await wallet.TransferCoinsAsync(
    new TransferCoinsRequest
    {
        RequestId = NewId(),
        SenderPlayerId = ada.PlayerId,
        ReceiverPlayerId = bob.PlayerId,
        Amount = 40,
        Reason = "gift",
    },
    deadline: Deadline());
Console.WriteLine($"TransferCoins: {moved.Sender.Coins} coins left, {moved.Receiver.Coins} there");

var potions = new ItemGrant
{
    PlayerId = ada.PlayerId,
    ItemType = "consumable",
    ItemId = "health_potion",
    Quantity = 3,
};
var granted = await inventory.GrantItemAsync(
    new GrantItemRequest { RequestId = NewId(), Grant = potions }, deadline: Deadline());
Console.WriteLine($"GrantItem: {granted.Item.Quantity} x {granted.Item.ItemId}");

var owned = await inventory.ListItemsAsync(new ListItemsRequest { PlayerId = ada.PlayerId }, deadline: Deadline());
Console.WriteLine($"ListItems: {owned.Items.Count} stack");

var board = new Leaderboard { LeaderboardId = $"weekly-{suffix}" };
var created = await leaderboard.CreateLeaderboardAsync(
    new CreateLeaderboardRequest { Leaderboard = board }, deadline: Deadline());
Console.WriteLine($"CreateLeaderboard: {created.Leaderboard.LeaderboardId}");

var score = new ScoreSubmission { LeaderboardId = board.LeaderboardId, EntryId = ada.PlayerId, Score = 4200 };
var submitted = await leaderboard.SubmitScoreAsync(
    new SubmitScoreRequest { RequestId = NewId(), Submission = score }, deadline: Deadline());
Console.WriteLine($"SubmitScore: rank {submitted.Entry.Rank}");

var top = await leaderboard.ListTopAsync(
    new ListTopRequest { LeaderboardId = board.LeaderboardId, PageSize = 10 }, deadline: Deadline());
foreach (var entry in top.Entries)
{
    Console.WriteLine($"ListTop: rank {entry.Rank} with {entry.Score}");
}

// Ada has 60 coins: a refusal that the game expects.
try
{
    await wallet.AdjustCoinsAsync(
        new AdjustCoinsRequest { RequestId = NewId(), PlayerId = ada.PlayerId, Delta = -250, Reason = "sword_of_dawn" },
        deadline: Deadline());
    throw new InvalidOperationException("AdjustCoins should have been refused for too few coins");
}
catch (RpcException error) when (ErrorInfoOf(error) is { Reason: "INSUFFICIENT_COINS" } info)
{
    Console.WriteLine($"refused: {info.Reason}, has {info.Metadata["have"]} of {info.Metadata["need"]}");
}

async Task<Player> CreatePlayer(string username)
{
    var request = new CreatePlayerRequest
    {
        RequestId = NewId(),
        Username = username,
        Email = $"{username}@example.com",
    };
    var player = (await profile.CreatePlayerAsync(request, deadline: Deadline())).Player;
    Console.WriteLine($"CreatePlayer: {player.Username}");
    return player;
}

// What programs match on; null for an error that does not come from Savepoint, but from the network.
static ErrorInfo? ErrorInfoOf(RpcException error) => error.GetRpcStatus()?.GetDetail<ErrorInfo>();
