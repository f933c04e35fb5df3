"""The usual names of columns, by what they hold.

They are compared without case and without anything but letters and digits, so "userId", "USER_ID" and "User-ID" are
one. Of several, the first in the list is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedshare.data.readers.options import Role

__all__ = ["NEGATIVE_EVENTS", "USUAL", "find", "finds_both", "plain"]

_USERS = """
    user_id user uid customer_id customer reviewer_id visitor_id member_id account_id client_id person_id buyer_id
    shopper_id customer_user customer_user_id user_key user_idx msno cust_id customer_unique_id user_pseudo_id
    user_session_id customer_email billing_email email user_name reviewer reviewer_name profile_name profile_id
    user_hash uuid customer_number customer_no client member visitor kundennummer kunden_nr kunden_id kunde
    benutzer_id benutzer nutzer_id nutzer
"""
_ITEMS = """
    item_id item iid parent_asin movie_id movie product_id product stock_code lineitem_sku sku product_sku asin
    article_id anime_id book_id isbn isbn13 song_id track_id artist_id game_id app_id video_id news_id business_id
    venue_id location_id gmap_id recipe_id joke_id course_id beer_id beer_beerid content_id poi_id place_id
    restaurant_id hotel_id podcast_id post_id show_id item_idx item_key variant_id product_code lineitem_name item_name
    product_name musicbrainz_artist_id artist_mbid track_name artist_name artist track song article book game venue
    business artikelnummer artikel_nr artikel_id artikel produkt_id produktnummer produkt
"""
_TIMES = """
    timestamp time unix_time unix_review_time datetime date ts event_time created_at invoice_date t_dat order_date
    order_time purchase_date purchased_at order_purchase_timestamp event_timestamp review_time review_date
    rating_timestamp rated_at date_time transaction_date transaction_time played_at listened_at checkin_time utc_time
    time_stamp submission_date date_added date_created paid_at tstamp epoch date_updated datum zeit zeitpunkt
    bestelldatum
"""
_RATINGS = """
    rating score stars overall book_rating rate review_score review_rating user_rating rating_score review_overall
    star_rating bewertung
"""
_CATEGORIES = """
    category category_name product_category item_category main_category category_code category_id categories
    product_category_name product_type product_group_name department genre genres kategorie warengruppe
"""
_TITLES = """
    item_title product_title movie_title book_title lineitem_name item_name product_name prod_name track_name song_title
    artist_name title name description
"""
_EVENTS = """
    event event_type event_name behavior_type behaviour_type behavior behaviour action action_type interaction_type
    interaction activity_type
"""

USUAL: dict[Role, tuple[str, ...]] = {
    "user": tuple(_USERS.split()),
    "item": tuple(_ITEMS.split()),
    "timestamp": tuple(_TIMES.split()),
    "rating": tuple(_RATINGS.split()),
    "gift": ("gift", "is_gift", "gift_flag", "as_gift", "gift_order", "is_a_gift", "gift_purchase", "geschenk"),
    "category": tuple(_CATEGORIES.split()),
    "title": tuple(_TITLES.split()),
    "event": tuple(_EVENTS.split()),
}

_NEGATIVE = """
    remove removed refund refunded return returned cancel cancelled canceled dislike skip unlike unfollow unfavorite
    delete deleted uncart dismiss block hide chargeback
"""
NEGATIVE_EVENTS = tuple(_NEGATIVE.split())
"Kinds of events that begin with one of these take something back, so they are no interest."


def plain(name: str) -> str:
    """A name as it is compared."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def find(role: Role, present: Sequence[str]) -> str | None:
    """The column among those present that usually plays a role."""
    by_plain_name = {plain(column): column for column in reversed(present)}
    return next((by_plain_name[plain(name)] for name in USUAL[role] if plain(name) in by_plain_name), None)


def finds_both(present: Sequence[str]) -> bool:
    """Whether there is a column of users and another one of items."""
    typed = [name.strip().split(":")[0] for name in present]  # RecBole's names bear a type
    user, item = find("user", typed), find("item", typed)
    return user is not None and item is not None and user != item
